"""A person's own fitness: hand-computed episodes, and what falling early is worth."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardgen.rewards.fitness import METRIC, FitnessCode, FitnessError, read_fitness
from rewardgen.rungs.own_fitness import OwnFitness
from rewardgen.rungs.worker import Watchers
from rewardgen_envs.registry import load_task
from rewardgen_envs.simulation import Simulation, Step
from rewardgen_envs.task import Task
from rewardgen_policies.evaluation import RandomPolicy, run_episodes

VALUE = FitnessCode(
    "def fitness(state, action, next_state):\n    return next_state.cart_position\n"
)


@pytest.fixture(scope="module")
def task() -> Task:
    return load_task("cartpole/swing-up")


def scored(task: Task, values: list[list[float]], ends: list[int]) -> list[float]:
    """Play made-up episodes: values[t][world]; world w terminates with step ends[w], or never."""
    worlds = len(ends)
    own = OwnFitness(VALUE, task)
    simulation = Simulation(task, [0] * worlds, 1, threads=1)
    own.start(simulation)
    state = torch.zeros(worlds, task.table.width)
    action = torch.zeros(worlds, 1)
    for t, row in enumerate(values):
        next_state = torch.zeros(worlds, task.table.width)
        task.table.select(next_state, "cart_position").copy_(torch.tensor(row))
        ended = torch.tensor([t == end for end in ends])
        nothing = torch.zeros(worlds, dtype=torch.bool)
        step = Step(
            state=state,
            next_state=next_state,
            terminated=ended,
            truncated=nothing,
            valid=~nothing,
            ended=ended,
            length=torch.full((worlds,), t + 1),
            fitness={},
        )
        own.step(state, action, step, simulation)
    simulation.close()
    return [float(x) for x in own.result(worlds)[:, 0]]


def test_hand_computed_episodes(task: Task) -> None:
    n = task.episode_steps
    # up to the end; down, and terminated; up, and terminated; a number that is not finite
    values = [[1.0, -1.0, 1.0, 1.0], [3.0, -3.0, 2.0, float("nan")], [2.0, 9.0, 9.0, -1.0]]
    rest = [[0.0, 9.0, 9.0, 0.0]] * (n - 3)
    result = scored(task, values + rest, [-1, 1, 1, -1])
    assert result[0] == pytest.approx(6.0 / n)
    assert result[1] == pytest.approx((-4.0 + (n - 2) * -3.0) / n)
    assert result[2] == pytest.approx(3.0 / n)
    assert result[3] == pytest.approx((1.0 - 1.0 - 1.0) / n)


def test_an_episode_without_numbers_does_no_better_than_the_worst(task: Task) -> None:
    values = [[-1.0, float("nan"), -4.0]] * task.episode_steps
    assert scored(task, values, [-1, -1, -1]) == pytest.approx([-1.0, -4.0, -4.0])


@settings(deadline=None, max_examples=30)
@given(
    values=st.lists(st.floats(-1e3, 1e3, width=32), min_size=6, max_size=6),
    end=st.integers(0, 4),
)
def test_a_fall_is_worth_no_more_than_staying_as_bad_as_it_was(
    values: list[float], end: int
) -> None:
    task = load_task("cartpole/swing-up")
    so_far = values[: end + 1]
    stay = [*so_far, *[min(0.0, *so_far)] * (task.episode_steps - len(so_far))]
    columns = [[value, value] for value in stay]
    fallen, stayed = scored(task, columns, [end, -1])
    assert fallen == pytest.approx(stayed, rel=1e-4, abs=1e-4)


def test_agrees_with_the_task_where_both_measure_the_same(task: Task) -> None:
    """The task's own metric, written as a fitness file."""
    source = (
        "def fitness(state, action, next_state):\n"
        "    up = next_state.pole_angle_cosine\n    return up * (1 - action[:, 0] ** 2)\n"
    )
    own = OwnFitness(FitnessCode(source), task)
    sums = _Sums(task)
    policy = RandomPolicy(task, 3)
    run_episodes(task, policy, 1, [1, 2, 3], Watchers(own, sums), threads=1)
    expected = sums.total / task.episode_steps
    torch.testing.assert_close(own.result(1)[0], expected, rtol=1e-5, atol=1e-6)


class _Sums:
    """Adds the same numbers up by hand."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self.total = torch.zeros(3)
        self._open = torch.ones(3, dtype=torch.bool)

    def start(self, simulation: Simulation) -> None: ...

    def step(
        self, state: torch.Tensor, action: torch.Tensor, step: Step, simulation: Simulation
    ) -> None:
        view = self._task.table.view(step.next_state)
        self.total += view.pole_angle_cosine * (1 - action[:, 0] ** 2) * self._open
        self._open &= ~step.ended


def test_errors_name_the_line(task: Task, tmp_path: Path) -> None:
    file = tmp_path / "bad.py"
    file.write_text("def fitness(state, action, next_state):\n    return next_state.speed\n")
    code = read_fitness(file)
    with pytest.raises(FitnessError, match=r"line 2: AttributeError: no feature 'speed'"):
        run_episodes(task, RandomPolicy(task, 0), 1, [1], OwnFitness(code, task), threads=1)
    with pytest.raises(FitnessError, match="line 1: ZeroDivisionError"):
        OwnFitness(FitnessCode("x = 1 / 0\n"), task)
    with pytest.raises(FitnessError, match="line 1: SystemExit: 3"):
        OwnFitness(FitnessCode("raise SystemExit(3)\n"), task)
    assert METRIC.higher_is_better
