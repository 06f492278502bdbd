"""Races over recorded scores, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.racing import Raced, drawn, race, resampled
from benchmarks.trained_rewards import RUNGS, Trained, by_arm
from rewardgen.store.fold import Event
from rewardgen.store.parts import MemberOutcome
from rewardgen.store.payloads import RungFinished

STEADY = {name: [float(level)] * RUNGS for level, name in enumerate("abcdefgh")}
BLOOMER = {**STEADY, "a": [float(rung * 3) for rung in range(RUNGS)]}


def test_half_goes_on_until_one_is_left() -> None:
    assert race(STEADY, 0.5, 0) == Raced(("h",), 8 + 4 + 2)


def test_without_a_cut_everybody_trains_to_the_end() -> None:
    raced = race(STEADY, 1.0, 0)
    assert set(raced.left) == set(STEADY)
    assert raced.rungs == RUNGS * len(STEADY)


def test_a_wildcard_keeps_a_late_bloomer_that_halving_loses() -> None:
    """a is last after the first rung, and the best of all in the end."""
    scores = {name: BLOOMER[name] for name in "agh"}
    assert race(scores, 0.5, 0).left == ("h",)
    assert "a" in race(scores, 0.5, 1).left


def test_the_best_of_steady_rewards_always_survives() -> None:
    rewards = [Trained(name, "", (tuple(points),) * 3) for name, points in STEADY.items()]
    result = resampled(rewards, 2, 0.5, 0)
    assert (result["survived"], result["alike"], result["lost"]) == (1.0, 1.0, 0.0)
    assert result["share_of_env_steps"] == pytest.approx(14 / (8 * RUNGS))


def test_one_whom_the_seeds_cannot_tell_from_the_best_counts_as_alike() -> None:
    """Late gets the better end, and is cut early; how far apart they are decides."""

    def rewards(spread: float) -> list[Trained]:
        early, late = [1.0] * RUNGS, [0.0] * (RUNGS - 1) + [2.0]
        return [
            Trained(name, "", tuple((*points[:-1], points[-1] + off) for off in (-spread, spread)))
            for name, points in {"early": early, "late": late}.items()
        ]

    apart, alike = (resampled(rewards(spread), 2, 0.5, 0) for spread in (0.01, 100.0))
    assert (apart["survived"], apart["alike"]) == (0.0, 0.0)
    assert alike["alike"] > 0.9


def test_seeds_are_drawn_with_replacement_for_each_reward_anew() -> None:
    points = tuple((float(seed),) * RUNGS for seed in range(5))
    generator = np.random.default_rng(0)
    both = [Trained("a", "", points), Trained("b", "", points)]
    draws = [drawn(both, 2, generator) for _ in range(400)]
    means = np.array([[draw["a"][0], draw["b"][0]] for draw in draws])
    assert means.mean() == pytest.approx(2.0, abs=0.1)
    assert means[:, 0].var() == pytest.approx(1.0, abs=0.15)  # the variance of 0 … 4, halved
    assert abs(np.corrcoef(means.T)[0, 1]) < 0.15


def test_scores_are_collected_rung_by_rung() -> None:
    def rung(*members: tuple[str, int, float | None]) -> Event:
        outcomes = tuple(
            MemberOutcome(
                source=source,
                seed=seed,
                env_steps=8,
                fitness={} if value is None else {"speed": (value, value + 2.0)},
            )
            for source, seed, value in members
        )
        finished = RungFinished(
            rung="r",
            members=outcomes,
            eval_seeds=(1, 2),
            curves="0" * 64,
            env_steps=8,
            wall_s=1.0,
        )
        return Event(1, finished, 0.0, 0.0)

    events = [rung(("a", 7, 0.0), ("a", 3, 1.0)), rung(("a", 7, 4.0), ("a", 3, None))]
    assert by_arm(events, "speed") == {"a": [[2.0, None], [1.0, 5.0]]}
