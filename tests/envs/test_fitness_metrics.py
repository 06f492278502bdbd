"""Accumulations on episodes computed by hand: nominal length 4, one world per column."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rewardgen_envs.metrics import Accumulation, FitnessTracker, Metric

NOMINAL = 4
VALUES = [[1.0, 1.0], [3.0, 1.0], [2.0, 0.0], [0.0, 1.0]]


def metric(accumulation: Accumulation, **more: float | bool) -> Metric:
    return Metric("m", "1", "A metric.", accumulation=accumulation, **more)


def episode(given_metric: Metric, steps: int, terminated: bool) -> list[float]:
    tracker = FitnessTracker((given_metric,), 2, NOMINAL)
    for values in VALUES[:steps]:
        tracker.update({"m": torch.tensor(values)})
    length = torch.full((2,), steps)
    return tracker.result(length, torch.full((2,), terminated))["m"].tolist()


@pytest.mark.parametrize(
    ("accumulation", "whole", "fallen"),
    [
        (Accumulation.TIME_AVERAGE, [1.5, 0.75], [1.0, 0.5]),
        (Accumulation.TOTAL, [6.0, 3.0], [4.0, 2.0]),
        (Accumulation.FINAL, [0.0, 1.0], [0.0, 0.0]),
        (Accumulation.BEST, [3.0, 1.0], [3.0, 1.0]),
        (Accumulation.LONGEST_STREAK, [0.75, 0.5], [0.5, 0.5]),
    ],
)
def test_accumulation_over_a_whole_and_a_fallen_episode(
    accumulation: Accumulation, whole: list[float], fallen: list[float]
) -> None:
    assert episode(metric(accumulation), 4, False) == whole
    assert episode(metric(accumulation), 2, True) == fallen


def test_steps_after_a_termination_count_with_their_declared_value() -> None:
    average = metric(Accumulation.TIME_AVERAGE, after_termination=-2.0)
    assert episode(average, 2, True) == [(1 + 3 - 2 - 2) / 4, (1 + 1 - 2 - 2) / 4]
    total = metric(Accumulation.TOTAL, after_termination=-2.0)
    assert episode(total, 2, True) == [1 + 3 - 2 - 2, 1 + 1 - 2 - 2]
    assert episode(metric(Accumulation.FINAL, after_termination=9.0), 3, True) == [9.0, 9.0]
    assert episode(metric(Accumulation.BEST, after_termination=2.0), 2, True) == [3.0, 2.0]
    error = metric(Accumulation.BEST, after_termination=2.0, higher_is_better=False)
    assert episode(error, 2, True) == [1.0, 1.0]


def test_a_termination_at_the_last_step_leaves_nothing_missing() -> None:
    for accumulation in Accumulation:
        fallen = metric(accumulation, after_termination=-7.0)
        assert episode(fallen, 4, True) == episode(fallen, 4, False)


def test_lower_is_better_takes_the_smallest_as_best() -> None:
    assert episode(metric(Accumulation.BEST, higher_is_better=False), 3, False) == [1.0, 0.0]


@given(st.lists(st.floats(0.0, 10.0, width=32), min_size=1, max_size=NOMINAL))
def test_falling_early_never_pays(values: list[float]) -> None:
    """Of values that are at least the one after a termination, a longer prefix is as good."""
    for accumulation in (
        Accumulation.TIME_AVERAGE,
        Accumulation.TOTAL,
        Accumulation.BEST,
        Accumulation.LONGEST_STREAK,
    ):
        results: list[float] = []
        for steps in range(1, len(values) + 1):
            tracker = FitnessTracker((metric(accumulation),), 1, NOMINAL)
            for value in values[:steps]:
                tracker.update({"m": torch.tensor([value])})
            ended = torch.tensor([steps < NOMINAL])
            results.append(float(tracker.result(torch.tensor([steps]), ended)["m"]))
        assert results == sorted(results)


def test_reset_forgets_the_masked_worlds_only() -> None:
    for accumulation in Accumulation:
        tracker = FitnessTracker((metric(accumulation),), 2, NOMINAL)
        for values in VALUES[:2]:
            tracker.update({"m": torch.tensor(values)})
        tracker.reset(torch.tensor([1]))
        tracker.update({"m": torch.tensor([0.0, 1.0])})
        fresh = FitnessTracker((metric(accumulation),), 1, NOMINAL)
        fresh.update({"m": torch.tensor([1.0])})
        no = torch.zeros(2, dtype=torch.bool)
        found = tracker.result(torch.tensor([3, 1]), no)["m"]
        assert float(found[1]) == float(fresh.result(torch.tensor([1]), no[:1])["m"])
        kept = {
            "time_average": 1.0,
            "total": 4.0,
            "final": 0.0,
            "best": 3.0,
            "longest_streak": 0.5,
        }
        assert float(found[0]) == kept[accumulation.value]


def test_a_number_that_is_not_finite_stays_in_its_world_and_episode() -> None:
    for accumulation in Accumulation:
        tracker = FitnessTracker((metric(accumulation),), 2, NOMINAL)
        tracker.update({"m": torch.tensor([torch.nan, 1.0])})
        no = torch.zeros(2, dtype=torch.bool)
        assert bool(tracker.result(torch.tensor([1, 1]), no)["m"][1].isfinite())
        tracker.reset(torch.tensor([0]))
        tracker.update({"m": torch.tensor([1.0, 1.0])})
        assert bool(tracker.result(torch.tensor([1, 2]), no)["m"].isfinite().all())


def test_several_metrics_are_kept_apart() -> None:
    two = (Metric("a", "1", "A."), Metric("b", "1", "B.", accumulation=Accumulation.BEST))
    tracker = FitnessTracker(two, 1, NOMINAL)
    tracker.update({"a": torch.tensor([4.0]), "b": torch.tensor([7.0])})
    result = tracker.result(torch.tensor([1]), torch.tensor([False]))
    assert {name: float(value) for name, value in result.items()} == {"a": 1.0, "b": 7.0}
