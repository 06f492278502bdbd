"""Played episodes: they begin alive, last, and their features are finite and what they say."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from rewardgen_envs.checks.finding import TaskFinding
from rewardgen_envs.checks.plays import Play
from rewardgen_envs.checks.subject import Subject

STAGE = "episodes"
SHORTEST_STEPS = 2
MOST_DIVERGED = 0.01
AT_LONGEST = 0.5  # share of episodes that cannot all fail at the very same step


def episodes(subject: Subject) -> Iterator[TaskFinding]:
    """Features stay finite, bool features are 0 or 1, and episodes do not end at once."""
    play = subject.random
    found = list(_finite(subject, play))
    yield from found
    if not found:
        yield from _booleans(subject)
        yield from _constants(subject)
        yield from _lengths(subject, play)


def _finite(subject: Subject, play: Play) -> Iterator[TaskFinding]:
    broken = play.next_state[~play.valid & ~play.diverged]
    for name in _columns_not_finite(subject, broken):
        yield subject.broken(
            STAGE,
            "feature-finite",
            "measure",
            f"feature '{name}' is not finite in states that the physics calls finite",
            "guard divisions, roots, logarithms and arccos at the ends of their range",
        )
    for name in _columns_not_finite(subject, play.state[play.t == 1]):
        yield subject.broken(
            STAGE,
            "feature-finite",
            "measure",
            f"feature '{name}' is not finite at the start of an episode",
            "give it a value before the first control step",
        )
    share = float(play.diverged.float().mean())
    if share > MOST_DIVERGED:
        yield subject.broken(
            STAGE,
            "diverges",
            "scene",
            f"the physics diverges in {share:.0%} of the control steps under random actions",
            "lower the time step or the actuators' gains, or end episodes earlier",
        )


def _columns_not_finite(subject: Subject, rows: Tensor) -> list[str]:
    table = subject.task.table
    return [n for n in table.names if not bool(rows[..., table.columns(n)].isfinite().all())]


def _booleans(subject: Subject) -> Iterator[TaskFinding]:
    table = subject.task.table
    for feature in table:
        values = subject.rows[:, table.columns(feature.name)]
        if feature.unit == "bool" and not bool(((values == 0) | (values == 1)).all()):
            yield subject.broken(
                STAGE,
                "bool-values",
                "measure",
                f"feature '{feature.name}' has the unit 'bool' but takes other values than 0 and 1",
                "give its real unit, '1' for a pure number",
            )


def _constants(subject: Subject) -> Iterator[TaskFinding]:
    """A number that never changes tells a reward nothing; an event may just be rare."""
    task, table = subject.task, subject.task.table
    events = ("terminated", *task.causes)
    for feature in table.public():
        if feature.unit == "bool" or feature.name in events:
            continue
        values = subject.rows[:, table.columns(feature.name)]
        if not bool(varies(values).any()):
            yield subject.broken(
                STAGE,
                "feature-constant",
                "measure",
                f"feature '{feature.name}' has the same value in all {len(values)} states met",
                "check its computation, or make it a constant of the task",
            )


def _lengths(subject: Subject, play: Play) -> Iterator[TaskFinding]:
    table = subject.task.table
    starts = play.state[play.t == 1]
    lengths = play.t[play.ended & play.terminated].double()
    everything_ends = len(lengths) > 0 and float(lengths.median()) <= SHORTEST_STEPS
    at_longest = float((lengths == lengths.max()).double().mean()) if len(lengths) else 0.0
    if len(lengths) >= len(play.t[0]) and at_longest >= AT_LONGEST:
        yield subject.broken(
            STAGE,
            "termination-always",
            "terminations",
            f"episodes are terminated after exactly {int(lengths.max())} control steps",
            "set episode_s: the end of the nominal length is no termination",
        )
        return
    for cause in subject.task.causes:
        column = table.columns(cause).start
        at_start = float((starts[:, column] > 0.5).float().mean())
        if at_start == 1.0:
            yield subject.broken(
                STAGE,
                "termination-always",
                "terminations",
                f"the cause '{cause}' holds in every state at which an episode starts",
                "end episodes only when something has gone wrong",
            )
        elif at_start > 0:
            yield subject.broken(
                STAGE,
                "termination-at-reset",
                "terminations",
                f"the cause '{cause}' already holds in {at_start:.0%} of the reset states",
                "loosen the termination or start episodes away from it",
            )
        elif everything_ends and bool((play.next_state[play.terminated][:, column] > 0.5).any()):
            yield subject.broken(
                STAGE,
                "termination-always",
                "terminations",
                f"the cause '{cause}' ends episodes after {int(lengths.median())} control steps: "
                "nothing can be learned in them",
                "loosen the termination",
            )


def varies(values: Tensor) -> Tensor:
    """Whether each column of (R, C) takes values that differ by more than rounding, (C,)."""
    low, high = values.amin(0), values.amax(0)
    return (high - low) > 1e-6 * torch.maximum(low.abs(), high.abs())
