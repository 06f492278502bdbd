"""Signs of exploitation on planted series with known figures."""

from __future__ import annotations

import numpy as np
import pytest

from rewardgen.analysis.trajectories.episodes import Floats
from rewardgen.analysis.trajectories.signs import (
    CYCLE_FROM,
    action_saturation,
    blow_share,
    burst_share,
    cycle_rate,
    cycles,
    limit_dwell,
    motion_signs,
    saturation,
)

STEP = np.arange(400)


def circle(period: int, drift: float = 0.0) -> Floats:
    angle = 2.0 * np.pi * STEP / period
    return np.stack([np.cos(angle) + drift * STEP, np.sin(angle)], axis=1)


@pytest.mark.parametrize("period", [10, 40, 100])
def test_all_but_the_first_round_of_a_loop_is_repetition(period: int) -> None:
    assert cycle_rate(circle(period)) == pytest.approx(1.0 - period / 400, abs=0.1)


def test_a_gait_that_gets_somewhere_does_not_cycle() -> None:
    assert cycle_rate(circle(40, drift=0.05)) == 0.0


def test_a_way_out_and_standing_there_is_no_cycle() -> None:
    way = np.minimum(STEP / 50.0, 1.0)[:, None] + 1e-3 * np.sin(STEP)[:, None]
    assert cycle_rate(way) == 0.0


def test_a_way_there_and_back_is_hardly_one() -> None:
    """It passes every place twice, but in the other direction."""
    fast = 0.4 * np.abs(STEP % 400 - 200)[:, None]
    assert cycle_rate(fast) < CYCLE_FROM


def test_trembling_on_the_spot_is_no_cycle() -> None:
    assert cycle_rate(0.01 * circle(10)) == 0.0
    assert cycle_rate(circle(10)[:2]) == 0.0


@pytest.mark.parametrize("seed", range(3))
def test_a_random_walk_hardly_cycles(seed: int) -> None:
    walk = np.cumsum(0.1 * np.random.default_rng(seed).normal(size=(400, 4)), axis=0)
    assert cycle_rate(walk) < 0.2


def test_saturation_is_a_share_of_components() -> None:
    action = np.zeros((10, 2))
    action[:, 0], action[:5, 1] = 1.0, -0.995
    assert action_saturation(action) == 0.75
    assert saturation([action]).figure == 0.75
    assert not saturation([action]).tripped and saturation([np.ones((3, 1))]).tripped
    assert saturation(None).reason == "actions are discrete"


def test_dwell_is_time_at_limits() -> None:
    low, high = np.array([-1.0, 0.0]), np.array([1.0, 10.0])
    joint = np.array([[-0.99, 5.0], [0.0, 9.95], [1.2, 9.8], [0.97, 0.0]])
    assert limit_dwell(joint, low, high) == 4 / 8


def test_blows_are_what_is_above_the_limit() -> None:
    push = np.array([0.0, 10.0, 100.0, 110.0, 0.0])
    assert blow_share(push, 10.0, falls=True) == pytest.approx(110.0 / 220.0)
    assert blow_share(np.zeros(5), 10.0, falls=True) == 0.0
    # a mounted robot may press on something for long, and hit it now and then
    pressing = np.full(100, 30.0)
    assert blow_share(pressing, 10.0, falls=False) == 0.0
    pressing[::20] = 600.0
    assert blow_share(pressing, 10.0, falls=False) == pytest.approx(3000.0 / pressing.sum())
    assert blow_share(np.array([0.0, 1.0, 9.0]), 10.0, falls=False) == 0.0


def test_bursts_but_the_strongest() -> None:
    power = np.full(1000, 0.01)
    power[[100, 400, 700]] = [50.0, 100.0, 50.0]
    assert burst_share(power, 0.01) == pytest.approx(100.0 / power.sum())
    one = np.full(1000, 0.01)
    one[:5] = 100.0
    assert burst_share(one, 0.01) == 0.0
    # neighbours within a fifth of a second are one burst
    near = np.full(1000, 0.01)
    near[[100, 110, 120]] = 100.0
    assert burst_share(near, 0.01) == 0.0
    assert burst_share(np.zeros(10), 0.01) == 0.0
    assert burst_share(np.abs(np.sin(STEP)), 0.01) == 0.0


def test_what_needs_a_scene_says_so() -> None:
    for sign in motion_signs([], "the task has no scene of its own"):
        assert sign.figure is None and not sign.tripped
        assert sign.reason == "the task has no scene of its own"


def test_signs_average_over_episodes() -> None:
    record = cycles([circle(10), circle(40, drift=0.05)])
    assert record.figure == pytest.approx(cycle_rate(circle(10)) / 2)
