"""Properties of every wrapper on registered tasks, around human, evolved and sparse rewards."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from rewardgen.isolation.host import HostOptions, HostPool
from rewardgen.isolation.pace import Deadlines
from rewardgen.rewards.format import RewardCode, parse_reward, read_reward
from rewardgen.rewards.inline import InlineReward
from rewardgen.rewards.sparse import SparseReward
from rewardgen.rewards.wrappers.catalogue import (
    DynamicPbrs,
    Gate,
    Krc,
    Level,
    Multiplicative,
    Par,
    Pbrs,
    Uwo,
    Wco,
    WeightedSum,
    Wrapper,
)
from rewardgen.rewards.wrappers.sources import wrapped
from rewardgen_envs.registry import load_task
from rewardgen_envs.simulation import Simulation
from rewardgen_envs.task import DiscreteAction, Task
from rewardgen_policies.seam import RewardSource, Rollout
from tests.every_task import every_task
from tests.rewardgen.check.test_registered_tasks import assert_equal_scores, evolved
from tests.rewardgen.rewards.wrappers.walks import cut, discounted, episodes

MEMBERS, STEPS, WORLDS, GAMMA = 2, 14, 3, 0.97
# of the one thing that all tasks have in common
TIMED = """\
def compute_reward(state, action, next_state):
    late = 1.0 + torch.sin(next_state.episode_time_s)
    held = (next_state.last_action**2).mean(dim=-1) if next_state.last_action.dim() > 1 else late
    still = 1.0 / (1.0 + held)
    return late * still, {"late": late, "still": still, "end": -next_state.terminated}
"""


@pytest.fixture(scope="module")
def pool() -> Iterator[HostPool]:
    with HostPool(HostOptions(deadlines=Deadlines(first_s=20.0, least_s=20.0))) as opened:
        yield opened


@pytest.fixture(scope="module", params=every_task())
def task(request: pytest.FixtureRequest) -> Task:
    return load_task(request.param)


@pytest.fixture(scope="module")
def rollout(task: Task) -> Rollout:
    """Return a rollout in which every world is reset, each at another step."""
    generator = torch.Generator().manual_seed(0)
    simulation = Simulation(task, range(MEMBERS), WORLDS, threads=1)
    left = torch.arange(MEMBERS * WORLDS) + 3
    simulation.t.copy_(task.episode_steps - left)
    columns: dict[str, list[Tensor]] = {}
    for _ in range(STEPS):
        if isinstance(task.action, DiscreteAction):
            action = torch.randint(task.action.count, (simulation.nworld,), generator=generator)
        else:
            shape = simulation.nworld, task.action.size
            action = torch.rand(shape, generator=generator) * 2.0 - 1.0
        rows = {"state": simulation.state.clone(), "t": simulation.t.clone(), "action": action}
        rows["episode"] = simulation.episode.clone()
        step = simulation.step(action)
        rows |= {"next_state": step.next_state.clone(), "valid": step.valid.clone()}
        rows |= {"terminated": step.terminated.clone(), "truncated": step.truncated.clone()}
        for name, row in rows.items():
            columns.setdefault(name, []).append(row.view(MEMBERS, WORLDS, *row.shape[1:]))
    simulation.close()
    stacked = {name: torch.stack(parts, dim=1) for name, parts in columns.items()}
    return Rollout(
        table=task.table,
        world=torch.arange(WORLDS),
        gamma=GAMMA,
        env_steps=torch.zeros(MEMBERS, dtype=torch.int64),
        **stacked,
    )


def around(names: list[str]) -> list[Wrapper]:
    """Return every wrapper that terms of these names suffice for."""
    first = names[0]
    found: list[Wrapper] = [
        Pbrs(potential=first),
        DynamicPbrs(potential=first, fade_env_steps=10_000),
        WeightedSum(weights=dict.fromkeys(names, 0.5)),
        Multiplicative(progress=first, factors=tuple(names[1:])),
        Krc(),
        Par(references=(0.0, 1.0)),
    ]
    if len(names) > 1:
        levels = (Level(term=first, least=0.0), Level(term=names[1]))
        found += [Wco(), Uwo(), Gate(levels=levels), Gate(levels=levels, per="episode")]
    return found


def rewards(task: Task) -> dict[str, RewardCode]:
    codes = {"human": read_reward(task.human_reward), "timed": parse_reward(TIMED)}
    return codes | {f"evolved {i}": code for i, code in enumerate(evolved(task)[:2])}


def test_wrapped_rewards_are_finite_and_know_where_episodes_begin(
    task: Task, rollout: Rollout
) -> None:
    assert bool((rollout.episode[:, -1] > rollout.episode[:, 0]).all())
    sources: dict[str, RewardSource] = {
        name: InlineReward(code, task.table, name) for name, code in rewards(task).items()
    }
    sources["sparse"] = SparseReward(task)
    for name, source in sources.items():
        for wrapper in around(list(source.score(rollout).terms)):
            whole = wrapped(source, wrapper).score(rollout)
            assert torch.isfinite(whole.reward).all(), (name, wrapper)
            again = wrapped(source, wrapper)
            parts = [again.score(cut(rollout, a, b)) for a, b in ((0, 5), (5, STEPS))]
            joined = torch.cat([part.reward for part in parts], dim=1)
            # another number of rows may be rounded in another way
            assert torch.allclose(joined, whole.reward, rtol=1e-4, atol=1e-4), (name, wrapper)


def test_what_each_wrapper_promises_holds_for_any_reward(task: Task, rollout: Rollout) -> None:
    for name, code in rewards(task).items():
        source = InlineReward(code, task.table)
        scores = source.score(rollout)
        terms = torch.stack(list(scores.terms.values()))
        mean = terms.mean(0)
        room = 1e-4 * (1.0 + terms.abs().amax(0))

        def paid(wrapper: Wrapper, source: RewardSource = source) -> Tensor:
            return wrapped(source, wrapper).score(rollout).reward

        par = paid(Par())[rollout.valid]
        assert bool(((par >= 0.0) & (par <= 1.0)).all()), name
        krc, valid = paid(Krc()), rollout.valid
        assert bool((krc.abs() <= terms.abs().amax(0) + room).all()), name
        assert bool(((krc < 0.0) <= (terms < 0.0).any(0))[valid].all()), name
        if len(terms) > 1:
            assert torch.equal(paid(Wco())[valid], terms.amin(0)[valid]), name
            assert bool((paid(Uwo()) <= mean + room)[valid].all()), name
        first = next(iter(scores.terms))
        gained = wrapped(source, Multiplicative(progress=first)).score(rollout)
        assert bool((gained.reward >= 0.0).all()), name


def test_potentials_telescope_over_simulated_episodes(task: Task, rollout: Rollout) -> None:
    source = InlineReward(parse_reward(TIMED), task.table)
    shaping = wrapped(source, Pbrs(potential="late")).score(rollout).terms["shaping"]
    before = 1.0 + torch.sin(task.table.view(rollout.state).episode_time_s)
    after = 1.0 + torch.sin(task.table.view(rollout.next_state).episode_time_s)
    for member, world, steps in episodes(rollout):
        last = (member, steps.stop - 1, world)
        end = 0.0 if bool(rollout.terminated[last]) else float(after[last])
        end *= GAMMA ** (steps.stop - steps.start)
        expected = end - float(before[member, steps.start, world])
        paid = discounted(shaping[member, steps, world], GAMMA)
        assert paid == pytest.approx(expected, abs=1e-4)


def test_host_and_inline_are_wrapped_alike(task: Task, rollout: Rollout, pool: HostPool) -> None:
    code = parse_reward(TIMED)
    for wrapper in around(["late", "still"]):
        host = pool.open(code, task.table)
        ours = wrapped(InlineReward(code, task.table), wrapper)
        assert_equal_scores(wrapped(host, wrapper), ours, rollout)
        host.close()
