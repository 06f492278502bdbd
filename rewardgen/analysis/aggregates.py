"""Statistics over runs × tasks: one number for a method on many tasks, with its interval.

Scores are given task by task, (n_t,) each, on a scale that tasks share; how many runs a task has
may differ. Intervals are those of the stratified percentile bootstrap, runs drawn within their
task, as in Agarwal et al., "Deep Reinforcement Learning at the Edge of the Statistical
Precipice", 2021 (rliable). Unlike there, the same seed gives the same interval.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata

from rewardgen.analysis.statistics import (
    FEW,
    Estimate,
    Floats,
    bootstrap_interval,
    checked_points,
    iqm_of_last_axis,
)

PROFILE_RESAMPLES = 2_000
METHOD = "bootstrap within tasks"


def iqm_over_tasks(scores: Sequence[ArrayLike], seed: int) -> Estimate:
    """Return the interquartile mean of the runs of all tasks together.

    Raises:
        ValueError: too few runs for an interval; says how many are needed.
    """
    return _estimate(_tasks(scores), iqm_of_last_axis, seed)


def optimality_gap(scores: Sequence[ArrayLike], target: float, seed: int) -> Estimate:
    """Return by how much runs fall short of a target on average: target - mean min(x, target).

    Raises:
        ValueError: too few runs for an interval; says how many are needed.
    """

    def gap(points: Floats) -> Floats:
        return target - np.mean(np.minimum(points, target), axis=-1)

    return _estimate(_tasks(scores), gap, seed)


def improvement_over_tasks(x: Sequence[ArrayLike], y: Sequence[ArrayLike], seed: int) -> Estimate:
    """Return the probability that a run of x beats one of y on a task, averaged over the tasks.

    It is mean_t U_t/(n_t m_t) with Mann and Whitney's U; ties count half.

    Args:
        x: scores of one method, one array per task.
        y: scores of the other, the same tasks in the same order.
        seed: of the bootstrap.

    Raises:
        ValueError: other tasks, or too few runs for an interval; says how many are needed.
    """
    first, second = _tasks(x), _tasks(y)
    if len(first) != len(second):
        raise ValueError(f"x has {len(first)} tasks and y has {len(second)}: they must be the same")

    def improvement(drawn: Sequence[Floats]) -> Floats:
        pairs = zip(drawn[: len(first)], drawn[len(first) :], strict=True)
        return np.mean([_improvement(a, b) for a, b in pairs], axis=0)

    value = float(improvement([points[None, :] for points in (*first, *second)])[0])
    return Estimate(value, bootstrap_interval([*first, *second], improvement, seed), METHOD)


@dataclass(frozen=True, eq=False)
class Profile:
    """How many runs score more than each of some thresholds.

    Attributes:
        thresholds: (T,).
        share: of the runs, with a weight that is the same for all tasks, (T,).
        low: lower end of the pointwise 95 % interval, (T,).
        high: upper end, (T,).
    """

    thresholds: Floats
    share: Floats
    low: Floats
    high: Floats


def performance_profile(scores: Sequence[ArrayLike], thresholds: ArrayLike, seed: int) -> Profile:
    """Return the performance profile: the share of runs with a score above each threshold.

    Args:
        scores: one array per task.
        thresholds: (T,).
        seed: of the bootstrap.

    Raises:
        ValueError: too few runs for an interval; says how many are needed.
    """
    tasks, steps = _tasks(scores), checked_points(thresholds)

    def above(threshold: float, drawn: Sequence[Floats]) -> Floats:
        return np.mean([(points > threshold).mean(axis=-1) for points in drawn], axis=0)

    share, ends = np.empty(len(steps)), np.empty((2, len(steps)))
    for i, threshold in enumerate(steps.tolist()):
        share[i] = above(threshold, tasks)
        # the same seed, so the same runs are drawn at every threshold
        ends[:, i] = bootstrap_interval(tasks, partial(above, threshold), seed, PROFILE_RESAMPLES)
    return Profile(steps, share, *ends)


def _tasks(scores: Sequence[ArrayLike]) -> list[Floats]:
    tasks = [checked_points(points) for points in scores]
    counts = [points.size for points in tasks]
    if not tasks or min(counts) < 2 or sum(counts) < FEW:
        raise ValueError(
            f"an interval over tasks needs 2 runs of each task and {FEW} in all, "
            f"there are {', '.join(map(str, counts)) or 'none'}"
        )
    return tasks


def _estimate(
    tasks: Sequence[Floats], statistic: Callable[[Floats], Floats], seed: int
) -> Estimate:
    interval = bootstrap_interval(
        tasks, lambda drawn: statistic(np.concatenate(drawn, axis=-1)), seed
    )
    return Estimate(float(statistic(np.concatenate(tasks))), interval, METHOD)


def _improvement(x: Floats, y: Floats) -> Floats:
    """Return U/(n m) of each row of x (R, n) and y (R, m), (R,)."""
    n, m = x.shape[-1], y.shape[-1]
    ranks = rankdata(np.concatenate([x, y], axis=-1), axis=-1)[..., :n].sum(axis=-1)
    return (ranks - n * (n + 1) / 2.0) / (n * m)
