"""Exact tests of two sides with few runs, and what so few can show at best.

Three runs against three can never be told apart at 5 %, however far apart they are: the smallest
p that they can reach is 0.1. So every result says what its number of runs could have reached.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import chain, combinations

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata

from rewardgen.analysis.statistics import Floats, checked_points

SIGNIFICANT = 0.05
MOST_SPLITS = 200_000
"""Of the runs into two sides that a permutation test goes through; 10 against 10 are 184,756."""


@dataclass(frozen=True)
class ExactTest:
    """A two-sided p-value that holds for any number of runs.

    Attributes:
        p: probability of a difference at least as large, if both sides are alike.
        best: the smallest p that so many runs can reach without ties.
        remark: how many runs would be needed where ``best`` is above 0.05, else "".
    """

    p: float
    best: float
    remark: str


def best_attainable_p(n: int, m: int) -> float:
    """Return the smallest two-sided p of n runs against m: 2 of all splits are as extreme."""
    return min(1.0, 2.0 / math.comb(n + m, n))


def runs_needed(p: float) -> int:
    """Return how many runs a side can reach a two-sided p."""
    if not 0.0 < p <= 1.0:
        raise ValueError(f"a p-value is in (0, 1], not {p}")
    n = 1
    while best_attainable_p(n, n) > p:
        n += 1
    return n


def mann_whitney(x: ArrayLike, y: ArrayLike) -> ExactTest:
    """Return the exact test of Mann and Whitney: does a run of x tend to beat one of y?

    The distribution of the rank sum is counted, with mean ranks for ties.

    Raises:
        ValueError: no runs on a side, or one that is not finite.
    """
    first, second = checked_points(x), checked_points(y)
    n, m = first.size, second.size
    # mean ranks are multiples of a half
    doubled = np.rint(2.0 * rankdata(np.concatenate([first, second]))).astype(np.int64)
    sums = _sums_of_subsets(doubled, n)
    middle = n * (n + m + 1)
    observed = abs(int(doubled[:n].sum()) - middle)
    extreme = np.abs(np.arange(len(sums)) - middle) >= observed
    return _result(float(sums[extreme].sum() / sums.sum()), n, m)


def permutation_test(x: ArrayLike, y: ArrayLike) -> ExactTest:
    """Return the exact permutation test of a difference of means, over all splits of the runs.

    Raises:
        ValueError: no runs on a side, one that is not finite, or too many to go through.
    """
    first, second = checked_points(x), checked_points(y)
    n, m = first.size, second.size
    splits = math.comb(n + m, n)
    if splits > MOST_SPLITS:
        raise ValueError(
            f"{n} against {m} runs can be split in {splits:,} ways, at most {MOST_SPLITS:,} are "
            "gone through; use mann_whitney"
        )
    pooled = np.concatenate([first, second])
    pooled = pooled - pooled.mean()
    rows = chain.from_iterable(combinations(range(n + m), n))
    chosen = np.fromiter(rows, np.int64, splits * n).reshape(splits, n)
    sums = np.abs(pooled[chosen].sum(axis=1))
    # sums of the same numbers in another order round differently
    rounding = 1e-12 * np.abs(pooled).sum()
    extreme = sums >= abs(pooled[:n].sum()) - rounding
    return _result(float(extreme.mean()), n, m)


def _sums_of_subsets(ranks: np.ndarray[tuple[int], np.dtype[np.int64]], size: int) -> Floats:
    """Return how many subsets of a size have each sum, by the sum."""
    counts = np.zeros((size + 1, int(ranks.sum()) + 1))
    counts[0, 0] = 1.0
    for rank in ranks.tolist():
        counts[1:, rank:] += counts[:-1, : counts.shape[1] - rank].copy()
    return counts[size]


def _result(p: float, n: int, m: int) -> ExactTest:
    best, needed = best_attainable_p(n, m), runs_needed(SIGNIFICANT)
    remark = ""
    if best > SIGNIFICANT:
        remark = f"{n} against {m} runs cannot reach p = {SIGNIFICANT}; {needed} a side can"
    return ExactTest(p, best, remark)
