"""Proxy against fitness: humps, steps, loops and linear proxies have known answers."""

from __future__ import annotations

import numpy as np
import pytest

from rewardgen.analysis.trajectories.divergence import (
    FEWEST_UPDATES,
    change_point,
    divergence,
    drop_height,
    gain,
    path,
    step_correlation,
)
from rewardgen.analysis.trajectories.episodes import Floats

UPDATES = 80
STEPS = 1000.0 * np.arange(1, UPDATES + 1)
RISING = np.linspace(0.0, 1.0, UPDATES)


def noisy(curve: Floats, members: int = 2, deviation: float = 0.01, seed: int = 0) -> Floats:
    return curve + deviation * np.random.default_rng(seed).normal(size=(members, UPDATES))


def hump(top: float, end: float) -> Floats:
    """Rises to ``top`` for half of the time and then stays at ``end``, in whole stretches."""
    return np.repeat([*np.linspace(0.0, top, 10), *[end] * 10], 4)


def test_a_monotone_curve_has_no_drop() -> None:
    assert drop_height(RISING) == 0.0
    found = divergence(STEPS, RISING[None], RISING[None], seed=0)
    assert found.drop.value == 0.0 and found.drop_height == 0.0
    assert not found.diverged and found.onset_env_steps is None
    assert found.proxy_trend == pytest.approx(1.0)
    assert divergence(STEPS, RISING[None], -RISING[None], seed=0).proxy_trend == pytest.approx(-1.0)


def test_a_hump_has_its_depth() -> None:
    assert drop_height(np.array([0.0, 3.0, 7.0, 5.0, 4.5])) == -2.5
    fitness = hump(2.0, 0.5)
    found = divergence(STEPS, np.stack([fitness, fitness]), RISING[None].repeat(2, 0), seed=0)
    assert found.drop_height == pytest.approx(-1.5, abs=1e-12)
    assert found.drop.value == pytest.approx(-0.75, abs=1e-12)
    assert found.diverged and found.onset_env_steps == 40_000.0
    assert found.best_env_steps == 40_000.0


@pytest.mark.parametrize("members", [1, 2, 5])
def test_a_noisy_hump_is_found_with_an_interval(members: int) -> None:
    found = divergence(STEPS, noisy(hump(2.0, 0.5), members), noisy(RISING, members), seed=0)
    assert found.diverged and found.drop.interval is not None
    assert found.drop.interval[0] <= -0.75 <= found.drop.interval[1]


def test_a_hump_without_a_rising_proxy_is_no_divergence() -> None:
    fitness = noisy(hump(2.0, 0.5))
    found = divergence(STEPS, fitness, fitness * 3.0, seed=0)
    assert found.drop.value is not None and found.drop.value < -0.5
    assert found.proxy_rose is not None and found.proxy_rose < 0.0
    assert not found.diverged


def test_noise_alone_is_hardly_ever_a_divergence() -> None:
    """The best of many noisy stretches is always above the end; choosing it must not count."""
    alarms = sum(
        divergence(STEPS, noisy(np.zeros(UPDATES), seed=s), noisy(RISING, seed=s + 99), 0).diverged
        for s in range(60)
    )
    assert alarms <= 3


def test_trends_that_rise_together_with_opposite_changes() -> None:
    wave = np.repeat(0.05 * np.random.default_rng(8).normal(size=UPDATES // 4), 4)
    found = divergence(STEPS, (RISING + wave)[None], (RISING - wave)[None], seed=0)
    assert found.level_correlation.value is not None and found.level_correlation.value > 0.9
    assert found.proxy_trend is not None and found.proxy_trend > 0.9
    assert found.change_correlation.value == pytest.approx(-1.0)
    assert found.change_correlation.interval is not None
    assert found.change_correlation.interval[1] < -0.99


def test_a_proxy_that_is_the_fitness_changes_with_it() -> None:
    fitness = noisy(RISING, deviation=0.05)
    found = divergence(STEPS, fitness, 7.0 * fitness - 3.0, seed=0)
    assert found.change_correlation.value == pytest.approx(1.0)


@pytest.mark.parametrize("place", [3, 10, 17])
def test_a_step_is_found_where_it_is(place: int) -> None:
    values = np.where(np.arange(20) < place, 1.0, 4.0)
    assert change_point(values, seed=0) == (place, 3.0)


def test_a_noisy_step_is_found_and_noise_is_none() -> None:
    random = np.random.default_rng(4)
    found = change_point(np.where(np.arange(20) < 12, 1.0, 0.0) + 0.1 * random.normal(size=20), 0)
    assert found is not None and found[0] == 12 and found[1] == pytest.approx(-1.0, abs=0.1)
    none = [change_point(random.normal(size=20), 0) for _ in range(40)]
    assert sum(one is not None for one in none) <= 3
    assert change_point(np.ones(20), 0) is None


def test_change_of_the_fitness_is_told_in_env_steps() -> None:
    step = np.where(np.arange(UPDATES) < 40, 0.0, 1.0)
    found = divergence(STEPS, step[None], RISING[None], seed=0)
    assert found.change_env_steps == 40_000.0 and found.change == pytest.approx(1.0)


def test_too_few_updates_say_how_many_it_takes() -> None:
    fitness = np.where(np.arange(UPDATES) % 8 == 0, RISING, np.nan)[None]
    found = divergence(STEPS, fitness, fitness, seed=0)
    assert found.drop.value is None and not found.diverged
    assert (
        f"at least {FEWEST_UPDATES} updates" in found.drop.reason and "has 10" in found.drop.reason
    )
    assert path(STEPS, fitness, fitness) is None


def test_updates_without_an_end_and_failed_members_are_left_out() -> None:
    fitness = np.stack([RISING, RISING])
    fitness[0, ::3] = np.nan
    fitness[1, 30:] = np.nan
    found = path(STEPS, fitness, 2.0 * fitness)
    assert found is not None
    np.testing.assert_allclose(found.proxy, 2.0 * found.fitness)
    assert np.isfinite(found.fitness).all() and found.env_steps[-1] == STEPS[-1]


# ---- correlation of reward and fitness over steps


def walk(seed: int, drift: float) -> Floats:
    """Positions of 20 episodes of 60 steps on a line."""
    random = np.random.default_rng(seed)
    return np.cumsum(drift + random.normal(size=(20, 60)), axis=1)


def test_a_linear_proxy_keeps_its_correlation() -> None:
    for drift in (0.0, 0.5):
        fitness = walk(1, drift)
        found = step_correlation(5.0 * fitness - 2.0, fitness, seed=0)
        assert found.value == pytest.approx(1.0)
        assert found.interval == pytest.approx((1.0, 1.0))


def test_a_planted_loop_flips_the_correlation() -> None:
    """The proxy pays for passing a checkpoint; the loop around it goes ever further off the way."""
    along = walk(2, 0.0)
    straight = step_correlation(along, along + walk(3, 0.0) * 0.2, seed=0)
    phase = np.linspace(0.0, 12.0 * np.pi, 60)
    paid = np.tile(1.0 + np.cos(phase), (20, 1)) + 0.1 * np.random.default_rng(5).normal(
        size=(20, 60)
    )
    progress = -np.tile(np.cos(phase), (20, 1))
    looping = step_correlation(paid, progress, seed=0)
    assert straight.interval is not None and straight.interval[0] > 0.0
    assert looping.interval is not None and looping.interval[1] < 0.0


def test_correlation_ignores_what_lies_behind_an_end_and_needs_variation() -> None:
    fitness = walk(6, 0.1)
    cut = fitness.copy()
    cut[:10, 30:] = np.nan
    assert step_correlation(cut, np.where(np.isnan(cut), 9e9, fitness), 0).value == pytest.approx(1)
    assert (
        "the reward is the same" in step_correlation(np.ones((9, 5)), walk(0, 0)[:9, :5], 0).reason
    )
    assert "the fitness is the same" in step_correlation(walk(0, 0)[:9], np.ones((9, 60)), 0).reason
    assert "at least 5 episodes, has 4" in step_correlation(fitness[:4], fitness[:4], 0).reason


def test_gain_is_for_the_better() -> None:
    better = gain(np.full(6, 2.0), np.full(6, 5.0), sign=-1.0)
    assert better.value == 3.0 and better.interval == (3.0, 3.0)
    assert "random episodes" in gain(np.zeros(6), np.zeros(2), 1.0).reason
