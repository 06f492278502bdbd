"""Fitness is finite, varies, and its success threshold makes sense."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from rewardgen_envs.checks.episodes import varies
from rewardgen_envs.checks.finding import TaskFinding
from rewardgen_envs.checks.functions import synthetic
from rewardgen_envs.checks.subject import Subject
from rewardgen_envs.checks.texts import still_to_write
from rewardgen_envs.metrics import Accumulation, Metric

STAGE = "fitness"


def fitness(subject: Subject) -> Iterator[TaskFinding]:
    """Every metric is finite in all states, differs between them, and can tell success."""
    task = subject.task
    if unwritten := still_to_write(subject):
        yield unwritten
        return
    values = task.fitness(task.table.view(subject.rows))
    found: list[TaskFinding] = []
    for metric in task.metrics:
        found.extend(_metric(subject, metric, values[metric.name].float()))
    if not found:
        found.extend([*_is_a_feature(subject), *_sparse(subject)])
    yield from found


def _metric(subject: Subject, metric: Metric, value: Tensor) -> Iterator[TaskFinding]:
    if not bool(value.isfinite().all()):
        yield subject.broken(
            STAGE,
            "fitness-finite",
            "fitness",
            f"metric '{metric.name}' is not finite in {int((~value.isfinite()).sum())} of "
            f"{len(value)} states",
            "guard divisions, roots and logarithms",
        )
    elif not bool(varies(value.unsqueeze(1))[0]):
        yield _constant(subject, metric, value)
    elif _only_time(subject, metric):
        yield subject.broken(
            STAGE,
            "fitness-constant",
            "fitness",
            f"metric '{metric.name}' depends on the time in the episode alone",
            "return what distinguishes good states",
        )
    else:
        yield from _success(subject, metric, value)


def _constant(subject: Subject, metric: Metric, value: Tensor) -> TaskFinding:
    """A metric that no features can change is wrong; one that nobody changed may be hard."""
    task = subject.task
    possible = task.fitness(task.table.view(synthetic(task).state))[metric.name].float()
    if not bool(varies(possible.unsqueeze(1))[0]):
        return subject.broken(
            STAGE,
            "fitness-constant",
            "fitness",
            f"metric '{metric.name}' is {float(value[0]):g} in every state",
            "return what distinguishes good states; for survival, 1 - features.terminated",
        )
    finding = subject.broken(
        STAGE,
        "fitness-never-varied",
        "fitness",
        f"metric '{metric.name}' was {float(value[0]):g} in all {len(value)} states met under "
        "random actions and displacements",
        "if the task is not that hard, check the features that the metric reads",
    )
    return replace(finding, severity="warning")


def _only_time(subject: Subject, metric: Metric) -> bool:
    """Whether all worlds have the same value at each time."""
    task, play = subject.task, subject.random
    value = task.fitness(task.table.view(play.next_state))[metric.name].float()
    times = range(1, int(play.t.max()) + 1)
    groups = [value[(play.t == t) & play.valid] for t in times]
    return all(not bool(varies(group.unsqueeze(1))[0]) for group in groups if len(group) > 1) and (
        bool(varies(value[play.valid].unsqueeze(1))[0])
    )


def _success(subject: Subject, metric: Metric, value: Tensor) -> Iterator[TaskFinding]:
    if metric.success is None:
        return
    zero_one = bool(((value == 0) | (value == 1)).all())
    if zero_one and not 0.0 <= metric.success <= 1.0:
        yield _threshold(subject, metric, "is outside [0, 1], where a share of 0/1 values lies")
    elif metric.sign * metric.success <= metric.sign * metric.after_termination and (
        subject.task.causes
    ):
        yield _threshold(
            subject, metric, f"is already met by falling at once ({metric.after_termination:g})"
        )
    elif metric.accumulation is Accumulation.TIME_AVERAGE and _idle_succeeds(subject, metric):
        yield _threshold(subject, metric, "is met by every random episode")


def _idle_succeeds(subject: Subject, metric: Metric) -> bool:
    """Whether the average over the play of every world passes the threshold."""
    task, play = subject.task, subject.random
    value = task.fitness(task.table.view(play.next_state))[metric.name].float()
    value = value.where(play.valid, metric.after_termination)
    value = value.where(~play.terminated, metric.after_termination)
    return bool((metric.sign * value.mean(0) >= metric.sign * (metric.success or 0.0)).all())


def _threshold(subject: Subject, metric: Metric, problem: str) -> TaskFinding:
    return subject.broken(
        STAGE,
        "success-threshold",
        "fitness",
        f"metric '{metric.name}': the success threshold {metric.success:g} {problem}",
        "correct success, higher_is_better or after_termination",
    )


def _sparse(subject: Subject) -> Iterator[TaskFinding]:
    """The sparse baseline's reward must be finite and able to change."""
    task, play = subject.task, subject.random
    view, valid = task.table.view, play.valid
    reward = task.sparse_reward(
        view(play.state[valid]), play.action[valid], view(play.next_state[valid])
    )
    made_up = synthetic(task)
    possible = task.sparse_reward(view(made_up.state), made_up.action, view(made_up.after))
    if not bool(reward.isfinite().all()):
        yield subject.broken(
            STAGE,
            "sparse-finite",
            "sparse_reward",
            "the sparse reward is not finite in some states",
            "guard divisions, roots and logarithms",
        )
    elif not any(bool(varies(x.unsqueeze(1))[0]) for x in (reward, possible)):
        yield subject.broken(
            STAGE,
            "sparse-constant",
            "sparse_reward",
            f"the sparse reward is {float(reward[0]):g} in every state",
            "give the success event, or the ranking metric of the step",
        )


def _is_a_feature(subject: Subject) -> Iterator[TaskFinding]:
    """A metric that averages a public feature must say so."""
    task = subject.task
    if task.fitness_in_features:
        return
    metric = task.metrics[0]
    value = task.fitness(task.table.view(subject.rows))[metric.name].float()
    standard = ("terminated", "episode_time_s", *task.causes)
    for feature in task.table.public():
        if feature.shape != () or feature.name in standard:
            continue
        column = subject.rows[:, task.table.columns(feature.name).start]
        if bool(varies(column.unsqueeze(1))[0]) and torch.equal(column, value):
            yield subject.broken(
                STAGE,
                "fitness-in-features",
                "fitness",
                f"metric '{metric.name}' averages the public feature '{feature.name}'",
                "set fitness_in_features = True; it is recorded with every score",
            )
