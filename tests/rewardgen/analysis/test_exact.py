from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu
from scipy.stats import permutation_test as scipy_permutation_test

from rewardgen.analysis.exact import (
    best_attainable_p,
    mann_whitney,
    permutation_test,
    runs_needed,
)

few = st.lists(st.integers(-4, 4).map(float), min_size=1, max_size=5)


@pytest.mark.parametrize(("runs", "expected"), [(3, 0.1), (4, 0.029), (5, 0.0079)])
def test_the_best_p_of_few_runs(runs: int, expected: float) -> None:
    assert best_attainable_p(runs, runs) == pytest.approx(expected, rel=0.02)
    low, high = list(range(runs)), list(range(100, 100 + runs))
    for test in (mann_whitney, permutation_test):
        found = test(low, high)
        assert found.p == found.best == pytest.approx(best_attainable_p(runs, runs))


@pytest.mark.parametrize(("p", "runs"), [(1.0, 1), (0.05, 4), (0.01, 5), (0.001, 7)])
def test_the_runs_that_a_p_needs(p: float, runs: int) -> None:
    assert runs_needed(p) == runs
    assert best_attainable_p(runs, runs) <= p
    assert runs == 1 or best_attainable_p(runs - 1, runs - 1) > p


def test_too_few_runs_are_said_to_be() -> None:
    expected = "3 against 3 runs cannot reach p = 0.05; 4 a side can"
    assert mann_whitney([1, 2, 3], [4, 5, 6]).remark == expected
    assert permutation_test([1, 2, 3], [4, 5, 6]).remark == expected
    assert mann_whitney([1, 2, 3, 4], [4, 5, 6, 7]).remark == ""


@settings(deadline=None)
@given(st.permutations(range(9)), st.integers(1, 8))
def test_mann_whitney_is_scipys_where_nothing_ties(order: list[int], n: int) -> None:
    x, y = order[:n], order[n:]
    expected = mannwhitneyu(x, y, alternative="two-sided", method="exact").pvalue
    assert mann_whitney(x, y).p == pytest.approx(float(expected))


@settings(max_examples=30, deadline=None)
@given(few, few)
def test_mann_whitney_counts_all_splits_where_runs_tie(x: list[float], y: list[float]) -> None:
    def u(a: np.ndarray, b: np.ndarray) -> float:
        wins = np.sign(a[:, None] - b[None, :])
        return abs(float(wins.sum()))

    assert mann_whitney(x, y).p == pytest.approx(_by_hand(x, y, u))


@settings(max_examples=30, deadline=None)
@given(few, few)
def test_the_permutation_test_counts_all_splits(x: list[float], y: list[float]) -> None:
    assert permutation_test(x, y).p == pytest.approx(
        _by_hand(x, y, lambda a, b: round(abs(float(a.mean() - b.mean())), 9))
    )


def _by_hand(x: list[float], y: list[float], statistic: object) -> float:
    """Go through all splits by the bits of a number."""
    assert callable(statistic)
    pooled, n = np.array(x + y), len(x)
    observed = statistic(np.array(x), np.array(y))
    extreme = total = 0
    for bits in range(2 ** len(pooled)):
        chosen = np.array([bits >> i & 1 for i in range(len(pooled))], dtype=bool)
        if chosen.sum() == n:
            total += 1
            extreme += statistic(pooled[chosen], pooled[~chosen]) >= observed
    return extreme / total


def test_the_permutation_test_is_scipys() -> None:
    generator = np.random.default_rng(0)
    x, y = generator.normal(0.5, 1.0, 6), generator.normal(0.0, 1.0, 5)
    expected = scipy_permutation_test(
        (x, y),
        lambda a, b: abs(a.mean() - b.mean()),
        n_resamples=np.inf,
        vectorized=False,
        alternative="greater",
    ).pvalue
    assert permutation_test(x, y).p == pytest.approx(float(expected))


def test_ten_against_ten_are_gone_through_and_more_are_not() -> None:
    generator = np.random.default_rng(0)
    x, y = generator.normal(1.0, 1.0, 10), generator.normal(0.0, 1.0, 10)
    assert 0.0 < permutation_test(x, y).p < 0.3
    with pytest.raises(ValueError, match="use mann_whitney"):
        permutation_test(generator.normal(size=12), generator.normal(size=12))
    assert 0.0 < mann_whitney(generator.normal(size=30), generator.normal(size=30)).p <= 1.0


def test_alike_sides_are_told_apart_as_often_as_p_says() -> None:
    generator = np.random.default_rng(0)
    found = [mann_whitney(*generator.normal(size=(2, 5))).p for _ in range(500)]
    for level in (0.05, 0.2, 0.5):
        assert np.mean(np.array(found) <= level) <= level + 0.04


@pytest.mark.parametrize("test", [mann_whitney, permutation_test])
def test_unusable_runs_are_refused(test: object) -> None:
    assert callable(test)
    with pytest.raises(ValueError, match="points"):
        test([], [1.0])
    with pytest.raises(ValueError, match="finite"):
        test([1.0], [np.nan])
    with pytest.raises(ValueError, match="p-value"):
        runs_needed(0.0)
