"""Rankings of episodes: hand-computed rank correlations, and intervals that hold the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kendalltau

from rewardgen.compare.ranking import (
    RESAMPLES,
    kendall_tau,
    rank_correlation,
    success_auc,
)

ranks = st.lists(st.integers(0, 5), min_size=2, max_size=12)


def array(values: list[int]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array(values, dtype=np.float64)


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        ([1, 2, 3, 4], [1, 2, 4, 3], 2 / 3),
        ([1, 2, 3, 4], [4, 3, 2, 1], -1.0),
        ([1, 1, 2, 3], [1, 2, 3, 4], 0.912871),
        ([1, 2, 3], [10, 20, 30], 1.0),
    ],
)
def test_tau_b_is_the_hand_computed_one(x: list[int], y: list[int], expected: float) -> None:
    assert kendall_tau(array(x), array(y)) == pytest.approx(expected, abs=5e-7)


def test_a_ranking_without_differences_has_no_correlation() -> None:
    assert math.isnan(kendall_tau(np.ones(4), np.arange(4.0)))
    found = rank_correlation(np.ones(20), np.arange(20.0), np.zeros(20, dtype=np.int64), seed=0)
    assert math.isnan(found.value)
    assert found.interval is None


def test_the_interval_is_that_of_scipys_tau_on_resamples() -> None:
    generator = np.random.default_rng(0)
    x = np.round(generator.normal(size=24), 1)
    y = np.round(x + generator.normal(size=24), 1)
    source = np.repeat([0, 1], 12)
    found = rank_correlation(x, y, source, seed=3)
    draws = [np.concatenate([generator.integers(0, 12, 12), generator.integers(12, 24, 12)])]
    draws += [
        np.concatenate([generator.integers(0, 12, 12), generator.integers(12, 24, 12)])
        for _ in range(RESAMPLES)
    ]
    taus = [float(kendalltau(x[rows], y[rows]).statistic) for rows in draws]
    assert found.interval == pytest.approx(np.quantile(taus, [0.025, 0.975]), abs=0.05)
    assert found.value == pytest.approx(float(kendalltau(x, y).statistic))
    assert found == rank_correlation(x, y, source, seed=3)


def test_the_interval_covers_the_true_correlation() -> None:
    """τ of a bivariate normal is 2/π asin ρ."""
    generator = np.random.default_rng(0)
    covered, rho = 0, 0.6
    for trial in range(100):
        x = generator.normal(size=40)
        y = rho * x + math.sqrt(1 - rho**2) * generator.normal(size=40)
        interval = rank_correlation(x, y, np.zeros(40, dtype=np.int64), seed=trial).interval
        assert interval is not None
        covered += interval[0] <= 2.0 / math.pi * math.asin(rho) <= interval[1]
    assert 0.86 <= covered / 100 <= 0.99


@settings(deadline=None)
@given(ranks, st.data())
def test_auc_counts_pairs(returns: list[int], data: st.DataObject) -> None:
    n = len(returns)
    success = data.draw(st.lists(st.booleans(), min_size=n, max_size=n))
    if all(success) or not any(success):
        success[0] = not success[0]
    good = [r for r, s in zip(returns, success, strict=True) if s]
    bad = [r for r, s in zip(returns, success, strict=True) if not s]
    pairs = [1.0 if g > b else 0.5 if g == b else 0.0 for g in good for b in bad]
    found = success_auc(array(returns), np.array(success))
    assert found.value == pytest.approx(sum(pairs) / len(pairs))


def test_a_perfect_gate_is_not_certain() -> None:
    found = success_auc(np.arange(12.0), np.arange(12) >= 6)
    assert found.value == 1.0
    assert found.interval is not None
    assert 0.5 < found.interval[0] < 0.9


class TestRefusals:
    def test_too_few_episodes(self) -> None:
        nine = np.arange(9.0)
        with pytest.raises(ValueError, match="needs 10 episodes, there are 9"):
            rank_correlation(nine, nine, np.zeros(9, dtype=np.int64), seed=0)
        with pytest.raises(ValueError, match="2 or more"):
            kendall_tau(np.ones(1), np.ones(1))

    def test_rankings_of_other_episodes(self) -> None:
        with pytest.raises(ValueError, match="same episodes"):
            kendall_tau(np.ones(3), np.ones(4))

    @pytest.mark.parametrize("succeeded", [True, False])
    def test_only_successes_or_only_failures(self, succeeded: bool) -> None:
        with pytest.raises(ValueError, match="needs 1 of each"):
            success_auc(np.arange(5.0), np.full(5, succeeded))
