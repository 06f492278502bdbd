"""Properties of reward code on every registered task, on transitions that were simulated."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from rewardgen.check.pipeline import check_reward
from rewardgen.design.designer import DesignContext
from rewardgen.design.evolve.evolve import EvolveDesigner
from rewardgen.isolation.host import HostOptions, HostPool
from rewardgen.isolation.pace import Deadlines
from rewardgen.rewards.format import RewardCode, parse_reward, read_reward
from rewardgen.rewards.inline import InlineReward
from rewardgen.rewards.sparse import SparseReward
from rewardgen.rewards.transitions import Transitions
from rewardgen_envs.registry import load_task
from rewardgen_envs.simulation import Simulation
from rewardgen_envs.task import DiscreteAction, Task
from rewardgen_policies.seam import RewardSource, Rollout
from tests.every_task import every_task

MEMBERS, STEPS, WORLDS = 2, 12, 3


@pytest.fixture(scope="module")
def pool() -> Iterator[HostPool]:
    with HostPool(HostOptions(deadlines=Deadlines(first_s=20.0, least_s=20.0))) as opened:
        yield opened


@pytest.fixture(scope="module", params=every_task())
def task(request: pytest.FixtureRequest) -> Task:
    return load_task(request.param)


@pytest.fixture(scope="module")
def rollout(task: Task) -> Rollout:
    generator = torch.Generator().manual_seed(0)
    simulation = Simulation(task, range(MEMBERS), WORLDS, threads=1)
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
    return Rollout(table=task.table, world=torch.arange(WORLDS), gamma=0.99, **stacked)


def evolved(task: Task) -> list[RewardCode]:
    context = DesignContext(
        sentence=task.description,
        table=task.table.public(),
        action=task.action,
        control_dt_s=task.control_dt_s,
        episode_steps=task.episode_steps,
        count=6,
        seed=5,
    )
    return [parse_reward(proposal.source) for proposal in EvolveDesigner().propose(context)]


def assert_equal_scores(source: RewardSource, other: RewardSource, rollout: Rollout) -> None:
    ours, theirs = source.score(rollout), other.score(rollout)
    assert torch.equal(ours.reward, theirs.reward)
    assert list(ours.terms) == list(theirs.terms)
    assert all(torch.equal(values, theirs.terms[name]) for name, values in ours.terms.items())


def test_host_and_inline_score_equally(task: Task, rollout: Rollout, pool: HostPool) -> None:
    for code in (read_reward(task.human_reward), *evolved(task)):
        host = pool.open(code, task.table)
        assert_equal_scores(host, InlineReward(code, task.table), rollout)
        host.close()


def test_what_evolve_writes_is_accepted(task: Task, rollout: Rollout, pool: HostPool) -> None:
    stored = Transitions(
        rollout.state.flatten(0, 2), rollout.action.flatten(0, 2), rollout.next_state.flatten(0, 2)
    )
    for code in evolved(task):
        result = check_reward(code, task.table, task.action, hosts=pool, transitions=stored)
        assert result.verdict == "accepted", [str(finding) for finding in result.findings]


def test_the_sparse_reward_of_a_member_is_its_own(task: Task, rollout: Rollout) -> None:
    source = SparseReward(task)
    together = source.score(rollout)
    for member in range(MEMBERS):
        alone = source.score(rollout.members(member, member + 1))
        assert torch.equal(alone.reward[0], together.reward[member])
