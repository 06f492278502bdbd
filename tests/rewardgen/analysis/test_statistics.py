from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, mannwhitneyu, trim_mean, ttest_1samp, ttest_ind

from rewardgen.analysis.statistics import (
    Estimate,
    bootstrap_interval,
    difference_of_iqms,
    estimate_iqm,
    iqm,
    mean_band,
    probability_of_improvement,
    t_interval,
    welch_interval,
    wilson_interval,
)

numbers = st.floats(-1e3, 1e3).map(lambda x: round(x, 3))
runs = st.lists(numbers, min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([1, 2, 3, 4, 5, 6, 7, 8], 4.5),
        ([0, 10, 20, 40, 1000], (10 + 20 + 40) / 3),
        ([1, 2, 9], 4.0),
        ([7.0], 7.0),
    ],
)
def test_iqm_matches_hand_computed_values(points: list[float], expected: float) -> None:
    assert iqm(points) == pytest.approx(expected)


@given(runs)
def test_iqm_is_the_quarter_trimmed_mean(points: list[float]) -> None:
    assert iqm(points) == pytest.approx(float(trim_mean(points, 0.25)), abs=1e-9)


@given(runs, st.floats(0.1, 10), numbers)
def test_iqm_follows_shift_and_scale(points: list[float], scale: float, shift: float) -> None:
    moved = [scale * x + shift for x in points]
    assert iqm(moved) == pytest.approx(scale * iqm(points) + shift, abs=1e-6)


def test_few_points_get_the_t_interval() -> None:
    points = [1.0, 2.0, 4.0, 8.0]
    expected = ttest_1samp(points, 0.0).confidence_interval(0.95)
    estimate = estimate_iqm(points, seed=0)
    assert estimate.method == "t-interval of the mean"
    assert estimate.interval == pytest.approx((expected.low, expected.high))


@given(st.lists(numbers, min_size=2, max_size=9))
def test_the_t_interval_holds_the_iqm(points: list[float]) -> None:
    low, high = t_interval(points)
    assert low - 1e-6 <= iqm(points) <= high + 1e-6


def test_one_run_has_no_interval() -> None:
    assert estimate_iqm([3.0], seed=0).interval is None
    assert difference_of_iqms([3.0], [1.0, 2.0], seed=0).interval is None


def test_the_bootstrap_is_seeded_and_holds_the_estimate() -> None:
    points = np.random.default_rng(0).normal(5.0, 1.0, 20)
    first, again = estimate_iqm(points, seed=1), estimate_iqm(points, seed=1)
    assert first == again
    assert first.method == "bootstrap"
    assert first.interval is not None
    low, high = first.interval
    assert low < first.value < high
    assert estimate_iqm(points, seed=2).interval != first.interval


@pytest.mark.parametrize("runs", [10, 20])
def test_the_interval_of_the_iqm_covers_the_truth(runs: int) -> None:
    generator = np.random.default_rng(runs)
    covered = 0
    for trial in range(600):
        interval = estimate_iqm(generator.normal(size=runs), seed=trial).interval
        assert interval is not None
        covered += interval[0] <= 0.0 <= interval[1]
    assert 0.94 <= covered / 600 <= 0.985


def test_percentiles_are_expanded_as_hesterberg_does() -> None:
    """At 10 points Φ(-2.262 · √(10/9)) = 0.86 % lie beyond each end."""
    points = np.random.default_rng(3).exponential(size=10)
    drawn = points[np.random.default_rng(7).integers(0, 10, (10_000, 10))]
    means = np.sort(drawn, axis=1)[:, 2:8].mean(axis=1)
    assert estimate_iqm(points, seed=7).interval == pytest.approx(
        tuple(np.quantile(means, [0.008554, 1.0 - 0.008554])), rel=1e-3
    )


@pytest.mark.parametrize(("count", "of"), [(0, 5), (5, 5), (8, 10), (1, 1), (37, 90)])
def test_wilson_interval_matches_scipy(count: int, of: int) -> None:
    expected = binomtest(count, of).proportion_ci(method="wilson")
    assert wilson_interval(count, of) == pytest.approx((expected.low, expected.high))


def test_welch_interval_matches_scipy() -> None:
    x, y = [1.0, 2.0, 4.0], [0.0, 0.5, 0.2, 0.9]
    expected = ttest_ind(x, y, equal_var=False).confidence_interval(0.95)
    assert welch_interval(x, y) == pytest.approx((expected.low, expected.high))
    assert difference_of_iqms(x, y, seed=0).interval == pytest.approx(welch_interval(x, y))


def test_equal_constants_differ_by_nothing() -> None:
    assert welch_interval([1.0, 1.0], [1.0, 1.0]) == (0.0, 0.0)


def test_difference_of_separated_arms_excludes_zero() -> None:
    generator = np.random.default_rng(0)
    x, y = generator.normal(3.0, 0.5, 10), generator.normal(1.0, 0.5, 10)
    estimate = difference_of_iqms(x, y, seed=0)
    assert estimate.value == pytest.approx(iqm(x) - iqm(y))
    assert estimate.interval is not None
    assert estimate.interval[0] > 0.0


def test_probability_of_improvement_matches_the_hand_computed_value() -> None:
    assert probability_of_improvement([1, 2, 3], [2, 3, 4]).value == pytest.approx(2 / 9)


@given(runs, runs)
def test_probability_of_improvement_is_the_scaled_u_statistic(
    x: list[float], y: list[float]
) -> None:
    u = float(mannwhitneyu(x, y).statistic)
    estimate = probability_of_improvement(x, y)
    assert estimate.value == pytest.approx(u / (len(x) * len(y)))
    assert estimate.interval is not None
    low, high = estimate.interval
    assert 0.0 <= low <= estimate.value + 1e-6
    assert estimate.value - 1e-6 <= high <= 1.0


@given(runs, runs)
def test_probability_of_improvement_is_antisymmetric(x: list[float], y: list[float]) -> None:
    there, back = probability_of_improvement(x, y), probability_of_improvement(y, x)
    assert there.value + back.value == pytest.approx(1.0)
    assert there.interval is not None
    assert back.interval is not None
    assert there.interval[0] == pytest.approx(1.0 - back.interval[1], abs=1e-6)


def test_complete_separation_is_not_certainty() -> None:
    interval = probability_of_improvement(range(10, 20), range(10)).interval
    assert interval is not None
    assert 0.7 < interval[0] < 0.9
    assert interval[1] == 1.0


def test_improvement_interval_covers_the_truth() -> None:
    generator = np.random.default_rng(0)
    truth = 0.5 * (1.0 + math.erf(0.5))
    covered = 0
    for _ in range(500):
        interval = probability_of_improvement(
            generator.normal(1.0, 1.0, 10), generator.normal(0.0, 1.0, 10)
        ).interval
        assert interval is not None
        covered += interval[0] <= truth <= interval[1]
    assert covered / 500 >= 0.92


def test_mean_band_leaves_out_what_is_not_finite() -> None:
    nan = math.nan
    curves = [[1.0, 1.0, nan], [3.0, nan, nan], [5.0, nan, nan]]
    mean, low, high = mean_band(curves)
    assert mean[:2] == pytest.approx([3.0, 1.0])
    assert math.isnan(mean[2])
    assert (low[0], high[0]) == pytest.approx(t_interval([1.0, 3.0, 5.0]))
    assert math.isnan(low[1])
    assert math.isnan(high[1])


@pytest.mark.parametrize("points", [[], [1.0, math.nan], [[1.0], [2.0]]])
def test_unusable_points_are_refused(points: list[float]) -> None:
    with pytest.raises(ValueError, match="points"):
        iqm(points)


@pytest.mark.parametrize("points", [[1.0], []])
def test_an_interval_of_one_run_is_refused(points: list[float]) -> None:
    with pytest.raises(ValueError, match=r"at least 2 runs|n >= 1"):
        t_interval(points)
    with pytest.raises(ValueError, match=r"2 runs a side, there are 3 and 1|n >= 1"):
        welch_interval([1.0, 2.0, 4.0], points)


@pytest.mark.parametrize(("runs", "coverage"), [(3, 0.76), (5, 0.82), (10, 0.90), (20, 0.92)])
def test_the_bootstrap_of_few_points_covers_too_rarely(runs: int, coverage: float) -> None:
    """Why below ten points the interval is Student's, which covers 95 % at any number."""
    generator = np.random.default_rng(runs)
    bootstrapped = students = 0
    for trial in range(400):
        points = generator.normal(size=runs)
        low, high = bootstrap_interval([points], lambda s: s[0].mean(axis=-1), trial, 500)
        bootstrapped += low <= 0.0 <= high
        low, high = t_interval(points)
        students += low <= 0.0 <= high
    assert bootstrapped / 400 == pytest.approx(coverage, abs=0.05)
    assert students / 400 == pytest.approx(0.95, abs=0.035)


@pytest.mark.parametrize(
    ("runs", "power"), [(3, (0.11, 0.23, 0.37)), (5, (0.26, 0.52, 0.76)), (10, (0.55, 0.88, 0.99))]
)
def test_how_often_a_difference_is_seen(runs: int, power: tuple[float, ...]) -> None:
    """The power of Welch's interval at differences of 1, 1.5 and 2 standard deviations."""
    generator = np.random.default_rng(runs)
    for shift, expected in zip((1.0, 1.5, 2.0), power, strict=True):
        seen = 0
        for _ in range(400):
            low, _ = welch_interval(generator.normal(shift, 1.0, runs), generator.normal(size=runs))
            seen += low > 0.0
        assert seen / 400 == pytest.approx(expected, abs=0.075)


@pytest.mark.parametrize("runs", [9, 10])  # a t-interval, and the bootstrap
def test_confirmed_numbers_are_not_those_that_selected(runs: int) -> None:
    """Sixteen candidates, each with a search run as noisy as candidates differ.

    The number that selected the best is 2.51 on average where the best is really 1.26. Fresh
    seeds do not know of the selection: their interval covers the truth as often as it says.
    """
    generator = np.random.default_rng(0)
    trials, covered, claimed, true = 400, 0, [], []
    for trial in range(trials):
        truth = generator.normal(size=16)
        search = truth + generator.normal(size=16)
        best = int(search.argmax())
        confirmed = estimate_iqm(truth[best] + generator.normal(size=runs), seed=trial)
        covered += _holds(confirmed, truth[best])
        claimed.append(search[best])
        true.append(truth[best])
    assert np.mean(claimed) == pytest.approx(2.51, abs=0.15)
    assert np.mean(true) == pytest.approx(1.26, abs=0.15)
    assert covered / trials == pytest.approx(0.95, abs=0.03)


@pytest.mark.parametrize(("candidates", "luck"), [(16, 1.77), (80, 2.43)])
def test_the_best_of_equals_is_confirmed_to_be_one_of_them(candidates: int, luck: float) -> None:
    """Luck alone puts the best of many above the others in search; a fresh look does not."""
    generator = np.random.default_rng(candidates)
    trials, covered, claimed = 300, 0, []
    for trial in range(trials):
        claimed.append(generator.normal(size=candidates).max())
        winner, baseline = generator.normal(size=(2, 9))
        covered += _holds(difference_of_iqms(winner, baseline, seed=trial), 0.0)
    assert np.mean(claimed) == pytest.approx(luck, abs=0.1)
    # of 300: the interval is of means, and the middle half varies a little more
    assert 0.91 <= covered / trials <= 0.99


def _holds(estimate: Estimate, truth: float) -> bool:
    assert estimate.interval is not None
    return estimate.interval[0] <= truth <= estimate.interval[1]
