from __future__ import annotations

import pytest
import torch

from rewardgen_envs.simulation import Simulation, Step
from rewardgen_envs.task import Task
from rewardgen_policies.checkpoint import CheckpointError, MemberState, Origin
from rewardgen_policies.evaluation import (
    TIME_LIMIT,
    Policies,
    evaluate,
    evaluate_random,
    record,
)
from rewardgen_policies.networks import NetworkSpec
from rewardgen_policies.population import initial_state
from rewardgen_policies.recipe import Recipe


def fresh(task: Task, seed: int) -> MemberState:
    spec = NetworkSpec.of(task, (16, 16))
    return initial_state(spec, Origin(task.name, task.version, seed, "", ""), Recipe())


def test_all_members_meet_the_same_episodes_in_any_company(balance: Task) -> None:
    a, b = fresh(balance, 1), fresh(balance, 2)
    both = evaluate(balance, [a, b], [100, 101, 102], threads=1)
    swapped = evaluate(balance, [b, a, a], [102, 101], threads=1)
    fitness, other = both.fitness["balanced_share"], swapped.fitness["balanced_share"]
    assert fitness.shape == (2, 3)
    assert torch.equal(fitness[0, [2, 1]], other[1])
    assert torch.equal(fitness[1, [2, 1]], other[0])
    assert torch.equal(other[1], other[2])
    starts = record(balance, [a, b], [100, 101], threads=1)
    assert torch.equal(starts[0][0].state[0], starts[1][0].state[0])
    assert not torch.equal(starts[0][0].state[0], starts[0][1].state[0])


def test_fitness_length_and_cause_are_those_of_the_recorded_episodes(balance: Task) -> None:
    states = [fresh(balance, seed) for seed in (1, 2)]
    seeds = [7, 8, 9]
    evaluation = evaluate(balance, states, seeds, threads=1)
    episodes = record(balance, states, seeds, threads=1)
    assert evaluation.eval_seeds == (7, 8, 9)
    for member in range(2):
        for e in range(3):
            trajectory = episodes[member][e]
            length = int(evaluation.length[member, e])
            assert trajectory.state.shape == (length, balance.table.width)
            assert trajectory.qpos.shape == (length + 1, balance.model.nq)
            assert trajectory.action.shape == (length, 1)
            assert torch.equal(trajectory.state[1:], trajectory.next_state[:-1])
            view = balance.table.view(trajectory.next_state)
            values = balance.fitness(view)["balanced_share"].to(torch.float32)
            expected = float(values.sum()) / balance.episode_steps
            found = float(evaluation.fitness["balanced_share"][member, e])
            assert found == pytest.approx(expected, abs=1e-6)
            fell = bool(view.pole_fallen[-1] > 0.5)
            assert trajectory.terminated == fell
            cause = evaluation.cause[member][e]
            assert cause == ("pole_fallen" if fell else TIME_LIMIT)


def test_policies_are_deterministic_and_bounded(balance: Task) -> None:
    policies = Policies([fresh(balance, 1)])
    observation = torch.randn(1, 50, 5) * 100.0
    before = observation.clone()
    action = policies(observation)
    assert torch.equal(action, policies(observation))
    assert torch.equal(observation, before)
    assert bool((action.abs() <= 1.0).all())


def test_normalization_is_part_of_the_policy(balance: Task) -> None:
    state = fresh(balance, 1)
    shifted = dict(state.tensors)
    shifted["observation_mean"] = torch.full((5,), 3.0, dtype=torch.float64)
    other = MemberState(state.spec, state.origin, state.counters, shifted)
    observation = torch.randn(1, 10, 5)
    torch.testing.assert_close(Policies([other])(observation + 3.0), Policies([state])(observation))


@pytest.mark.parametrize("name", ["balance", "discrete_swing_up"])
def test_random_policy_repeats_by_seed(name: str, request: pytest.FixtureRequest) -> None:
    task = request.getfixturevalue(name)
    first = evaluate_random(task, [1, 2, 3, 4], threads=1)
    again = evaluate_random(task, [1, 2, 3, 4], threads=1)
    other = evaluate_random(task, [1, 2, 3, 4], seed=1, threads=1)
    metric = task.metric.name
    assert first.fitness[metric].shape == (1, 4)
    assert torch.equal(first.fitness[metric], again.fitness[metric])
    assert not torch.equal(first.fitness[metric], other.fitness[metric])


def test_members_that_do_not_fit_the_task_are_refused(balance: Task, swing_up: Task) -> None:
    spec = NetworkSpec(9, 1, discrete=False, hidden=(16, 16))
    stranger = initial_state(spec, Origin("ant/run", 1, 0, "", ""), Recipe())
    with pytest.raises(CheckpointError, match=r"trained on 'ant/run'.*task 'cartpole/balance'"):
        evaluate(balance, [fresh(balance, 1), stranger], [1])
    with pytest.raises(CheckpointError, match="no members"):
        evaluate(balance, [], [1])


def test_divergence_counts_like_a_termination(
    balance: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Simulation.step

    def diverging(self: Simulation, action: torch.Tensor) -> Step:
        if int(self.t[0]) == 3:
            self.engine.field("qpos")[0] = torch.nan
        return step(self, action)

    monkeypatch.setattr(Simulation, "step", diverging)
    evaluation = evaluate(balance, [fresh(balance, 1)], [1, 2], threads=1)
    assert evaluation.cause[0][0] == "diverged"
    assert evaluation.fitness["balanced_share"][0, 0] == 0.0
    assert torch.isfinite(evaluation.fitness["balanced_share"]).all()
