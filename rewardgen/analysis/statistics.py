"""Statistics of results: written once, used wherever rewards are compared.

A point is one training run: the mean fitness of its evaluation episodes. Runs are few, so
every number carries a 95 % interval, and the interval's method depends on how few:

- below 10 points the percentile bootstrap covers too rarely (76 % at 3 points, 82 % at 5), so
  Student's t-interval of the mean is given;
- from 10 points on, the stratified percentile bootstrap of the interquartile mean. That of a single
  arm still covers too rarely at 10 to 20 points (93 %), so its percentiles are expanded
  (Hesterberg, "What Teachers Should Know About the Bootstrap", 2015); that of a difference
  covers 95 % as it is.

Interquartile mean, probability of improvement and stratified resampling as in Agarwal et al.,
"Deep Reinforcement Learning at the Edge of the Statistical Precipice", 2021 (rliable).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri, stdtrit

Floats = NDArray[np.float64]

FEW = 10
"""Below this many points, all of them are shown and intervals are t-intervals."""
LEVEL = 0.95
RESAMPLES = 10_000


@dataclass(frozen=True)
class Estimate:
    """A number with its interval.

    Attributes:
        value: the point estimate.
        interval: 95 % interval, None where one point tells nothing about spread.
        method: how the interval was made, for people.
    """

    value: float
    interval: tuple[float, float] | None
    method: str


def iqm(points: ArrayLike) -> float:
    """Return the interquartile mean: the mean without the lowest and highest quarter.

    The number dropped at each end is rounded down, so up to 3 points nothing is dropped.

    Args:
        points: (n,), n ≥ 1.

    Raises:
        ValueError: no points, or one that is not finite.
    """
    return float(iqm_of_last_axis(checked_points(points)))


def estimate_iqm(points: ArrayLike, seed: int) -> Estimate:
    """Return the interquartile mean with its interval.

    Args:
        points: one per training run, (n,).
        seed: of the bootstrap; the same seed gives the same interval.

    Raises:
        ValueError: no points, or one that is not finite.
    """
    values = checked_points(points)
    if values.size < 2:
        return Estimate(iqm(values), None, "one run")
    if values.size < FEW:
        return Estimate(iqm(values), t_interval(values), "t-interval of the mean")
    interval = bootstrap_interval(
        [values], lambda arms: iqm_of_last_axis(arms[0]), seed, tail=_expanded_tail(values.size)
    )
    return Estimate(iqm(values), interval, "bootstrap")


def difference_of_iqms(x: ArrayLike, y: ArrayLike, seed: int) -> Estimate:
    """Return IQM(x) - IQM(y) with its interval.

    Raises:
        ValueError: no points, or one that is not finite.
    """
    first, second = checked_points(x), checked_points(y)
    value = iqm(first) - iqm(second)
    smaller = min(first.size, second.size)
    if smaller < 2:
        return Estimate(value, None, "one run")
    if smaller < FEW:
        return Estimate(value, welch_interval(first, second), "Welch's t-interval of the means")
    interval = bootstrap_interval(
        [first, second], lambda arms: iqm_of_last_axis(arms[0]) - iqm_of_last_axis(arms[1]), seed
    )
    return Estimate(value, interval, "bootstrap")


def probability_of_improvement(x: ArrayLike, y: ArrayLike) -> Estimate:
    """Return the probability that a run of x beats a run of y, ties counting half.

    The interval is Newcombe's (method 5 of "Confidence intervals for an effect size measure
    based on the Mann-Whitney statistic, part 2", 2006). Unlike the bootstrap's it has width
    when every run of x beats every run of y, which few runs do not prove to be certain.

    Raises:
        ValueError: no points, or one that is not finite.
    """
    first, second = checked_points(x), checked_points(y)
    wins = np.sign(first[:, None] - second[None, :])
    value = float(np.mean((wins + 1.0) / 2.0))
    return Estimate(value, _newcombe(value, first.size, second.size), "Newcombe's interval")


def checked_points(points: ArrayLike) -> Floats:
    """Return points as an array, (n,), n ≥ 1.

    Raises:
        ValueError: no points, or one that is not finite.
    """
    values = np.asarray(points, dtype=np.float64)
    if values.ndim != 1 or values.size == 0:
        raise ValueError(f"expected points of shape (n,), n >= 1, got {values.shape}")
    if not np.all(np.isfinite(values)):
        raise ValueError(f"points must be finite, got {values.tolist()}")
    return values


def iqm_of_last_axis(values: Floats) -> Floats:
    """Return the interquartile means of (..., n), (...)."""
    n = values.shape[-1]
    cut = n // 4
    return np.mean(np.sort(values, axis=-1)[..., cut : n - cut], axis=-1)


def t_interval(points: ArrayLike) -> tuple[float, float]:
    """Return Student's interval of the mean.

    Below 10 points it always holds the interquartile mean, which cannot be further from the
    mean than the interval is wide.

    Raises:
        ValueError: fewer than 2 points, or one that is not finite.
    """
    values = checked_points(points)
    if values.size < 2:
        raise ValueError("an interval needs at least 2 runs, there is 1")
    half = _t_quantile(values.size - 1) * float(np.std(values, ddof=1)) / values.size**0.5
    centre = float(np.mean(values))
    return centre - half, centre + half


def welch_interval(x: ArrayLike, y: ArrayLike) -> tuple[float, float]:
    """Return Welch's interval of mean(x) - mean(y).

    Raises:
        ValueError: fewer than 2 points on a side, or one that is not finite.
    """
    first, second = checked_points(x), checked_points(y)
    if min(first.size, second.size) < 2:
        raise ValueError(
            f"an interval needs at least 2 runs a side, there are {first.size} and {second.size}"
        )
    a = float(np.var(first, ddof=1)) / first.size
    b = float(np.var(second, ddof=1)) / second.size
    centre = float(np.mean(first) - np.mean(second))
    if a + b == 0.0:
        return centre, centre
    freedom = (a + b) ** 2 / (a**2 / (first.size - 1) + b**2 / (second.size - 1))
    half = _t_quantile(freedom) * (a + b) ** 0.5
    return centre - half, centre + half


def wilson_interval(count: int, of: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share, count of how many; of ≥ 1."""
    z = float(ndtri((1.0 + LEVEL) / 2.0))
    share, room = count / of, z**2 / of
    middle = (share + room / 2.0) / (1.0 + room)
    half = z * math.sqrt(share * (1.0 - share) / of + room / of / 4.0) / (1.0 + room)
    return max(0.0, middle - half), min(1.0, middle + half)


def bootstrap_interval(
    strata: Sequence[Floats],
    statistic: Callable[[Sequence[Floats]], Floats],
    seed: int,
    resamples: int = RESAMPLES,
    tail: float = (1.0 - LEVEL) / 2.0,
) -> tuple[float, float]:
    """Return the percentile-bootstrap interval; every stratum is resampled within itself.

    Args:
        strata: points of each task or arm, (n_i,).
        statistic: maps resampled strata, each (R, n_i), to R numbers.
        seed: of the resampling.
        resamples: R.
        tail: share of the resamples that lies beyond each end.
    """
    generator = np.random.default_rng(seed)
    drawn = [
        points[generator.integers(0, points.size, (resamples, points.size))] for points in strata
    ]
    low, high = np.quantile(statistic(drawn), [tail, 1.0 - tail])
    return float(low), float(high)


def mean_band(curves: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Return mean and pointwise 95 % t-band of curves; NaNs are left out, column by column.

    Args:
        curves: (runs, steps).

    Returns:
        Mean, lower and upper end, (steps,) each; the ends are NaN where one run is left, all
        three where none is.
    """
    values = np.asarray(curves, dtype=np.float64)
    count = np.sum(np.isfinite(values), axis=0)
    filled = np.where(np.isfinite(values), values, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = filled.sum(axis=0) / count
        squares = np.where(np.isfinite(values), (values - mean) ** 2, 0.0).sum(axis=0)
        error = np.sqrt(squares / (count - 1) / count)
    quantile = np.array([_t_quantile(n - 1) if n > 1 else np.nan for n in count])
    return mean, mean - quantile * error, mean + quantile * error


def _expanded_tail(points: int) -> float:
    """Return what lies beyond each end of an interval as wide as Student's would be."""
    return NormalDist().cdf(-_t_quantile(points - 1) * math.sqrt(points / (points - 1)))


def _t_quantile(freedom: float) -> float:
    return float(stdtrit(freedom, (1.0 + LEVEL) / 2.0))


def _newcombe(value: float, m: int, n: int) -> tuple[float, float]:
    """Solve |θ - value| = z · sd(θ) for both ends, by bisection."""
    z = float(ndtri((1.0 + LEVEL) / 2.0))
    half = (m + n) / 2.0 - 1.0

    def inside(theta: float) -> bool:
        spread = 1.0 + half * ((1.0 - theta) / (2.0 - theta) + theta / (1.0 + theta))
        return (theta - value) ** 2 <= z**2 * theta * (1.0 - theta) * spread / (m * n)

    return _boundary(value, 0.0, inside), _boundary(value, 1.0, inside)


def _boundary(inner: float, outer: float, inside: Callable[[float], bool]) -> float:
    """Return where ``inside`` ends between a point where it holds and one beyond."""
    if inner == outer:
        return outer
    # the variance vanishes at 0 and 1, so a certain value starts its search just beside itself
    low, high = inner + (outer - inner) * 1e-9, outer
    for _ in range(60):
        middle = (low + high) / 2.0
        low, high = (middle, high) if inside(middle) else (low, middle)
    return low
