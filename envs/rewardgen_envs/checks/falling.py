"""Falling never pays: ending an episode early is no better than going on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

import torch
from torch import Tensor

from rewardgen_envs.checks.finding import TaskFinding
from rewardgen_envs.checks.plays import kick, random_actions
from rewardgen_envs.checks.subject import Subject
from rewardgen_envs.checks.terminal_numbers import terminal_numbers
from rewardgen_envs.engines.mujoco_batch import MujocoBatchEngine
from rewardgen_envs.features import FeatureView
from rewardgen_envs.metrics import Accumulation, Metric
from rewardgen_envs.simulation import Simulation
from rewardgen_envs.task import Task

STAGE = "falling"
WORLDS = 24
STEPS = 240
SETTLED_STEPS = 60  # at least so long after the fall are values looked at
TOLERANCE = 0.02  # of the spread of a metric's values
LYING = 0.2  # of the same
_REMEDY = (
    "choose after_termination no better than what lying where one fell gives, and do not read "
    "the termination in fitness()"
)


@dataclass(frozen=True)
class _Afterlife:
    """States of worlds whose terminations were ignored.

    Attributes:
        features: (T, B, F); the standard features say that nothing terminated.
        fell: index of the step at which each world would have been terminated, T if never.
    """

    features: Tensor
    fell: Tensor


def falling(subject: Subject) -> Iterator[TaskFinding]:
    """What terminates an episode gives finite numbers, and neither it nor lost steps pay."""
    if not subject.task.causes:
        return
    yield from terminal_numbers(subject)
    life = _afterlife(subject)
    for metric in subject.task.metrics:
        if _spread(subject, metric) == 0.0:
            continue  # constant: nothing pays
        problem = (
            _flag_pays(subject, metric)
            or _only_falling_pays(subject, metric)
            or _lying_pays(subject, metric, life)
            or _missing_steps_pay(subject, metric, life)
        )
        if problem is not None:
            yield subject.broken(
                STAGE,
                "falling-pays",
                "fitness",
                f"metric '{metric.name}' pays for falling: {problem}",
                _REMEDY,
            )


def _values(task: Task, metric: Metric, rows: Tensor) -> Tensor:
    """Return the metric's per-step values, larger being better."""
    return metric.sign * task.fitness(task.table.view(rows))[metric.name].float()


def _spread(subject: Subject, metric: Metric) -> float:
    """Return by how much values differ in ordinary play, rare ones left out."""
    values = _values(subject.task, metric, subject.random.visited()).sort().values
    low, high = values[len(values) // 50], values[-(len(values) // 50) - 1]
    if high > low:
        return float(high - low)
    everywhere = _values(subject.task, metric, subject.rows)
    return float(everywhere.max() - everywhere.min())


def _flag_pays(subject: Subject, metric: Metric) -> str | None:
    """The same state must not score better for being terminal."""
    task, rows = subject.task, subject.rows
    alive = rows.clone()
    for name in (*task.causes, "terminated"):
        alive[:, task.table.columns(name).start] = 0.0
    for cause in task.causes:
        dead = alive.clone()
        dead[:, task.table.columns(cause).start] = 1.0
        dead[:, task.table.columns("terminated").start] = 1.0
        gain = _values(task, metric, dead) - _values(task, metric, alive)
        if float(gain.max()) > TOLERANCE * _spread(subject, metric):
            return f"a step scores {float(gain.max()):.3g} better when '{cause}' ends the episode"
    return None


def _only_falling_pays(subject: Subject, metric: Metric) -> str | None:
    """The best values must not be reserved to terminal states."""
    task = subject.task
    play = subject.random
    values, valid = _values(task, metric, play.next_state), play.valid
    terminal, other = values[valid & play.terminated], values[valid & ~play.terminated]
    if len(terminal) >= 5 and len(other) and float(terminal.min()) > float(other.max()):
        return "every terminal state scores better than every other state"
    return None


def _lying_pays(subject: Subject, metric: Metric, life: _Afterlife) -> str | None:
    """What ranks must not be better where one fell than in nearly all of ordinary play."""
    if metric is not subject.task.metric:
        return None  # effort, for example, may well be least where one fell
    values = _values(subject.task, metric, life.features)
    lying = [_going_on(metric, values[fell:, b]) for b, fell in _fallen(life)]
    if not lying:
        return None
    play = subject.random
    alive = play.valid & ~play.terminated
    values = _values(subject.task, metric, play.next_state).where(alive, 0.0)
    # one average per world; the best of those that idle is a good one where effort costs
    ordinary = (values.sum(0) / alive.sum(0).clamp(min=1)).sort().values
    best, usual = float(ordinary[-1 - len(ordinary) // 20]), float(ordinary.median())
    if median(lying) >= best and median(lying) > usual + LYING * _spread(subject, metric):
        return "lying where one fell scores better than ordinary play"
    return None


def _missing_steps_pay(subject: Subject, metric: Metric, life: _Afterlife) -> str | None:
    """The value of steps after a termination must not beat going on from where one fell."""
    after = metric.sign * metric.after_termination
    spread = _spread(subject, metric)
    if metric.accumulation is Accumulation.LONGEST_STREAK:
        return None
    best = float(_values(subject.task, metric, subject.rows).max())
    if after >= best:
        return (
            f"a step after a termination counts {metric.after_termination:g}, which is as good "
            "as the best step seen"
        )
    values = _values(subject.task, metric, life.features)
    gains = [after - _going_on(metric, values[fell:, b]) for b, fell in _fallen(life)]
    # the median: a few worlds may still be tumbling
    gain = median(gains) if gains else 0.0
    if gain > TOLERANCE * spread:
        return (
            f"a step after a termination counts {metric.after_termination:g}, going on would "
            f"give {metric.sign * (after - gain):.3g}"
        )
    return None


def _fallen(life: _Afterlife) -> list[tuple[int, int]]:
    """Return (world, step of the fall) of worlds that were watched long enough afterwards."""
    return [(b, int(f)) for b, f in enumerate(life.fell) if int(f) + SETTLED_STEPS < STEPS]


def _going_on(metric: Metric, values: Tensor) -> float:
    """Return what the steps after the fall count, once things have settled."""
    match metric.accumulation:
        case Accumulation.FINAL:
            return float(values[-1])
        case Accumulation.BEST:
            return float(values.max())
        case _:
            return float(values[-SETTLED_STEPS // 2 :].mean())


def _afterlife(subject: Subject) -> _Afterlife:
    """Play until terminations would happen, then idle, with terminations switched off."""
    task, going_on = subject.task, _without_terminations(subject)
    generator = torch.Generator().manual_seed(8)
    engine = MujocoBatchEngine(going_on.model, WORLDS)
    simulation = Simulation(going_on, [23], WORLDS, engine=engine)
    kick(engine, torch.arange(0, WORLDS, 2), generator)
    actions = random_actions(task, STEPS, WORLDS, generator)
    idle = torch.zeros_like(actions[0])
    fell = torch.full((WORLDS,), STEPS)
    states: list[Tensor] = []
    for step, action in enumerate(actions):
        resting = fell < STEPS
        simulation.t.zero_()  # no truncation either
        chosen = torch.where(resting.reshape(-1, *[1] * (action.dim() - 1)), idle, action)
        state = simulation.step(chosen).next_state
        states.append(state)
        ended = torch.stack(list(task.terminations(task.table.view(state)).values())).any(0)
        fell = torch.where(ended & ~resting, step, fell)
    simulation.close()
    return _Afterlife(torch.stack(states), fell)


def _without_terminations(subject: Subject) -> Task:
    """Return the task with its terminations switched off."""
    task = subject.fresh()
    causes = list(task.causes)

    def never(features: FeatureView) -> dict[str, Tensor]:
        nobody = torch.zeros_like(features.terminated, dtype=torch.bool)
        return dict.fromkeys(causes, nobody)

    setattr(task, "terminations", never)  # noqa: B010 - a method of this one object
    return task
