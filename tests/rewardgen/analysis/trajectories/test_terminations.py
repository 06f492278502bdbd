"""How episodes end, and the quitter: whether the reward pays for ending early."""

from __future__ import annotations

import numpy as np
import pytest

from rewardgen.analysis.trajectories.terminations import causes, dying_pays, hazard, terminations
from tests.rewardgen.analysis.trajectories.planted import episodes


@pytest.mark.parametrize(("per_step", "pays"), [(1.0, False), (-1.0, True)])
def test_alive_or_quit(per_step: float, pays: bool) -> None:
    """Staying earns +1 or -1 per step, quitting earns nothing: with -1, quitting is the best."""
    length = [10, 11, 12, 13, 14, *[100] * 6]
    found = dying_pays(
        episodes(length, terms={"stay": np.full((11, 100), per_step)}).returns,
        np.array(length) < 100,
    )
    assert found.value == pytest.approx(per_step * (12.0 - 100.0))
    assert found.interval is not None
    assert (found.interval[0] > 0.0) is pays
    assert (found.interval[1] < 0.0) is not pays


@pytest.mark.parametrize(("early", "full", "missing"), [(4, 9, "end early"), (9, 1, "full length")])
def test_too_few_episodes_say_how_many_it_takes(early: int, full: int, missing: str) -> None:
    died = np.array([True] * early + [False] * full)
    found = dying_pays(np.arange(len(died), dtype=np.float64), died)
    assert found.value is None and found.interval is None
    assert "at least 5 episodes" in found.reason and missing in found.reason
    assert f"has {min(early, full)}" in found.reason


def test_causes_are_counted() -> None:
    found = causes(["fallen", "time limit", "fallen", "diverged"])
    assert [(c.cause, c.episodes, c.share) for c in found] == [
        ("fallen", 2, 0.5),
        ("diverged", 1, 0.25),
        ("time limit", 1, 0.25),
    ]


def test_hazard_counts_only_who_is_left() -> None:
    """Half of those left end in each tenth: the histogram falls, the hazard stays."""
    length = np.array([5] * 8 + [15] * 4 + [25] * 2 + [100] * 2)
    found = hazard(length, length < 100, 100, 0.1)
    assert [(h.at_risk, h.ended) for h in found[:4]] == [(16, 8), (8, 4), (4, 2), (2, 0)]
    assert [h.hazard for h in found] == [0.5, 0.5, 0.5, *[0.0] * 7]
    assert (found[1].from_s, found[1].to_s) == pytest.approx((1.0, 2.0))


def test_hazard_is_unknown_where_nobody_is_left() -> None:
    found = hazard(np.array([3, 10]), np.array([True, True]), 100, 0.1)
    assert [h.hazard for h in found] == [1.0, *[None] * 9]


def test_a_short_task_has_as_many_stretches_as_steps() -> None:
    assert len(hazard(np.array([3]), np.array([False]), 3, 0.1)) == 3


def test_training_is_told_beside_the_episodes() -> None:
    record = terminations(episodes([10, 100]), {"fallen": [0.9, 0.2]})
    assert record.training[0].cause == "fallen" and record.training[0].shares == (0.9, 0.2)
    assert "at least 5" in record.dying_pays.reason
