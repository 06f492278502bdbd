"""Terms: dead, saturated, shares, and whether they tell successes from failures."""

from __future__ import annotations

import numpy as np
import pytest

from rewardgen.analysis.feedback import Series, Term, TermStatus
from rewardgen.analysis.term_status import edges
from rewardgen.analysis.trajectories.terms import (
    success_auc,
    term_records,
    variance_shares,
)
from tests.rewardgen.analysis.trajectories.planted import episodes

RANDOM = np.random.default_rng(0)


def test_a_kernel_far_from_its_target_is_dead() -> None:
    distance = 2.0 + RANDOM.random((4, 100))
    made = episodes(
        [100] * 4, terms={"near": np.exp(-10.0 * distance**2), "effort": -RANDOM.random((4, 100))}
    )
    near, effort = term_records(made, [])
    assert (near.status, effort.status) == ("dead", "ok")
    assert near.variance_share == pytest.approx(0.0, abs=1e-9)
    assert effort.variance_share == pytest.approx(1.0)


def test_a_term_at_its_best_is_saturated() -> None:
    values = np.ones((2, 100))
    values[:, :3] = [[0.0, 0.3, 0.6], [0.1, 0.4, 0.7]]
    (record,) = term_records(episodes([100, 100], terms={"upright": values}), [])
    assert record.status == "saturated" and record.at_high == pytest.approx(0.97)
    assert record.at_low == pytest.approx(1 / 200)


def test_a_constant_that_drives_the_policy_by_terminations_is_not_dead() -> None:
    made = episodes([100] * 2, terms={"alive": np.ones((2, 100)), "noise": RANDOM.random((2, 100))})
    series = Series(values=(1.0,), maximum=1.0, mean=1.0, minimum=1.0)
    known = Term(name="alive", series=series, share=0.6, status=TermStatus.OK)
    assert [r.status for r in term_records(made, [])] == ["dead", "ok"]
    alive, _ = term_records(made, [known])
    assert alive.status == "saturated" and alive.advantage_share == 0.6


def test_training_has_the_first_word_on_a_status() -> None:
    made = episodes([100] * 2, terms={"a": RANDOM.random((2, 100)), "b": RANDOM.random((2, 100))})
    series = Series(values=(1.0,), maximum=1.0, mean=1.0, minimum=1.0)
    known = Term(name="a", series=series, share=0.95, status=TermStatus.DOMINANT)
    assert [r.status for r in term_records(made, [known])] == ["dominant", "ok"]


def test_variance_shares_sum_to_one() -> None:
    terms = {name: RANDOM.normal(size=50) for name in "abc"}
    shares = variance_shares(terms, sum(terms.values(), np.zeros(50)))
    assert sum(share or 0.0 for share in shares.values()) == pytest.approx(1.0, abs=1e-12)
    assert variance_shares({"a": np.ones(5)}, np.ones(5)) == {"a": None}


def test_edges_of_a_range() -> None:
    assert edges(np.array([0.0, 0.005, 0.5, 0.995, 1.0])) == (0.4, 0.4)
    assert edges(np.zeros(3)) == (1.0, 1.0)


def test_auc_by_hand() -> None:
    earned = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 2.0, 0.0, 0.0, 0.0, 0.0])
    success = np.array([True] * 5 + [False] * 5)
    # 2.0 among the failures loses to three, ties with one and beats one of the successes
    found = success_auc(earned, success)
    assert found.value == pytest.approx((4 * 5 + 3 + 0.5) / 25)
    assert found.interval is not None and found.interval[0] > 0.5


def test_auc_needs_enough_of_both() -> None:
    few = success_auc(np.arange(8.0), np.array([True] * 2 + [False] * 6))
    assert few.value is None and "at least 5 successful episodes, has 2" in few.reason
    assert "threshold" in success_auc(np.arange(8.0), None).reason
