"""Statistics over tasks: hand-computed values, and what rliable says of the same scores."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from rewardgen.analysis.aggregates import (
    improvement_over_tasks,
    iqm_over_tasks,
    optimality_gap,
    performance_profile,
)
from rewardgen.analysis.statistics import Estimate, Floats

RLIABLE = json.loads(Path(__file__).with_name("rliable.json").read_text(encoding="utf-8"))


def tasks(scores: list[list[float]]) -> list[Floats]:
    """Return rliable's (runs, tasks) as one array per task."""
    return list(np.array(scores, dtype=np.float64).T)


X, Y = tasks(RLIABLE["x"]), tasks(RLIABLE["y"])


class TestAgainstRliable:
    """The same numbers, and intervals that differ as two seeds of the bootstrap do."""

    @pytest.mark.parametrize(
        ("name", "found"),
        [
            ("iqm", iqm_over_tasks(X, seed=0)),
            ("optimality_gap", optimality_gap(X, 1.0, seed=0)),
            ("improvement", improvement_over_tasks(X, Y, seed=0)),
        ],
    )
    def test_estimates(self, name: str, found: Estimate) -> None:
        expected = RLIABLE[name]
        assert found.value == pytest.approx(expected["value"][0], abs=1e-12)
        low, high = (ends[0] for ends in expected["interval"])
        assert found.interval is not None
        assert found.interval == pytest.approx((low, high), abs=0.06 * (high - low))

    def test_profile(self) -> None:
        found = performance_profile(X, RLIABLE["thresholds"], seed=0)
        assert found.share == pytest.approx(RLIABLE["profile"]["value"], abs=1e-12)
        low, high = RLIABLE["profile"]["interval"]
        # one run of 24 more or less
        assert found.low == pytest.approx(low, abs=1.01 / 24)
        assert found.high == pytest.approx(high, abs=1.01 / 24)


def test_the_iqm_is_that_of_all_runs_together() -> None:
    scores = [[1.0, 8.0, 3.0, 4.0], [5.0, 6.0, 7.0, 2.0], [9.0, 10.0, 11.0, 12.0]]
    assert iqm_over_tasks(scores, seed=0).value == pytest.approx(np.mean([4, 5, 6, 7, 8, 9]))


def test_the_optimality_gap_counts_nothing_above_the_target() -> None:
    scores = [[0.5, 2.0] * 3, [1.0, 0.9] * 3]
    assert optimality_gap(scores, 1.0, seed=0).value == pytest.approx((0.5 + 0 + 0 + 0.1) / 4)
    assert optimality_gap(scores, 0.5, seed=0).value == 0.0


def test_improvement_is_averaged_over_tasks() -> None:
    x = [[1.0, 2.0, 3.0], [1.0, 1.0, 1.0], [5.0, 6.0, 7.0, 8.0]]
    y = [[2.0, 3.0, 4.0], [1.0, 1.0, 1.0], [1.0, 2.0, 3.0, 4.0]]
    assert improvement_over_tasks(x, y, seed=0).value == pytest.approx((2 / 9 + 0.5 + 1.0) / 3)


def test_runs_are_drawn_within_their_task() -> None:
    """Tasks of very different level and no spread within: there is nothing to be uncertain of."""
    scores = [[0.0] * 4, [1.0] * 4, [100.0] * 4]
    found = iqm_over_tasks(scores, seed=0)
    assert found.interval == (found.value, found.value)


def test_a_profile_falls_from_all_to_none() -> None:
    scores = [[1.0, 2.0, 3.0, 4.0, 5.0], [2.0, 2.0, 3.0, 3.0, 9.0]]
    found = performance_profile(scores, [0.0, 2.0, 4.5, 9.0], seed=0)
    assert found.share == pytest.approx([1.0, 0.6, 0.2, 0.0])
    assert np.all(found.low <= found.share)
    assert np.all(found.share <= found.high)
    assert np.all(np.diff(found.low) <= 0.0)
    assert (found.low[0], found.high[-1]) == (1.0, 0.0)


def test_the_same_seed_gives_the_same_interval() -> None:
    first, again, other = (iqm_over_tasks(X, seed=s).interval for s in (0, 0, 1))
    assert first == again != other


@pytest.mark.parametrize(
    ("scores", "counts"),
    [([[1.0, 2.0]] * 4, "2, 2, 2, 2"), ([[1.0] * 12, [1.0]], "12, 1"), ([], "none")],
)
def test_too_few_runs_are_refused_with_the_number_needed(
    scores: list[list[float]], counts: str
) -> None:
    with pytest.raises(ValueError, match=f"2 runs of each task and 10 in all, there are {counts}"):
        iqm_over_tasks(scores, seed=0)
    with pytest.raises(ValueError, match="2 runs of each task"):
        performance_profile(scores, [0.0], seed=0)


def test_sides_must_have_the_same_tasks() -> None:
    with pytest.raises(ValueError, match="x has 3 tasks and y has 2"):
        improvement_over_tasks(X, Y[:2], seed=0)
