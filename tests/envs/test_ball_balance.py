"""``ball-balance/balance``: the tray's geometry, the rolling ball, the score, a controller."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from rewardgen_envs.ball_balance.balance import Balance
from rewardgen_envs.draw import Draw
from rewardgen_envs.features import FeatureView
from rewardgen_envs.simulation import Simulation
from rewardgen_envs.task import Initial
from tests.envs.scripted import at_random, idle, success_rate

torch.set_num_threads(1)
FEET = torch.tensor([[0.4, 0.0], [-0.2, 0.3464], [-0.2, -0.3464]])
MIDDLE_LENGTH_M, REACH_M = 0.6, 0.06
RESTING_M = 0.11  # the ball's centre above the tray's


def placed(
    ball: tuple[float, float, float],
    *,
    height: float = 0.0,
    roll: float = 0.0,
    pitch: float = 0.0,
    velocity: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> Simulation:
    """One tray and ball: the ball's position is of the world, the tray's height over its middle."""

    class Placed(Balance):
        def reset(self, mask: Tensor, draw: Draw) -> Initial:
            return Initial(
                qpos=torch.tensor([[height, roll, pitch, *ball, 1.0, 0.0, 0.0, 0.0]]).double(),
                qvel=torch.tensor([[0.0, 0.0, 0.0, *velocity, 0.0, 0.0, 0.0]]).double(),
            )

    return Simulation(Placed(), [0], 1, threads=1)


def seen(simulation: Simulation) -> FeatureView:
    return simulation.task.table.view(simulation.state)


def test_the_ball_is_seen_from_the_tilted_tray() -> None:
    # by hand: the tray at 0.7 m turned by 0.3 rad about x; the ball 0.2 m along its y, 0.5 above
    roll, along, above = 0.3, 0.2, 0.5
    y = along * math.cos(roll) - above * math.sin(roll)
    z = 0.7 + along * math.sin(roll) + above * math.cos(roll)
    features = seen(placed((0.1, y, z), height=0.1, roll=roll, velocity=(0.0, 0.3, 0.4)))
    torch.testing.assert_close(features.ball_position[0], torch.tensor([0.1, along, above]))
    assert float(features.ball_distance) == pytest.approx(math.hypot(0.1, along))
    assert float(features.ball_speed) == pytest.approx(0.5)
    assert float(features.tray_height) == pytest.approx(0.7)
    up = torch.tensor([0.0, -math.sin(roll), math.cos(roll)])
    torch.testing.assert_close(features.tray_up[0], up)


@pytest.mark.parametrize(("roll", "pitch"), [(0.0, 0.0), (0.2, 0.0), (0.0, -0.15)])
def test_legs_are_as_long_as_from_foot_to_tray(roll: float, pitch: float) -> None:
    features = seen(placed((0.0, 0.0, 1.5), height=0.05, roll=roll, pitch=pitch))
    expected: list[float] = []
    for x, y in FEET.tolist():  # a point (x, y, 0) of the tray, turned about x or about y
        knee = (x * math.cos(pitch), y * math.cos(roll), y * math.sin(roll) - x * math.sin(pitch))
        expected.append(math.dist((x, y, 0.0), (knee[0], knee[1], 0.65 + knee[2])))
    assert features.leg_lengths[0].tolist() == pytest.approx(expected, abs=1e-4)


def test_legs_go_to_their_targets() -> None:
    simulation = placed((0.0, 0.0, 5.0))
    action = torch.tensor([[0.5, -0.5, 0.0]])
    for _ in range(25):
        simulation.step(action)
    expected = MIDDLE_LENGTH_M + REACH_M * action
    # springs of 2000 N/m give way by some millimetres below 2 kg
    torch.testing.assert_close(seen(simulation).leg_lengths, expected, atol=0.005, rtol=0.0)
    assert float(seen(simulation).leg_velocities.abs().max()) < 0.01


def test_a_ball_rolls_down_a_slope_as_a_solid_sphere_does() -> None:
    """It accelerates with 5/7 g sin(slope), down the slope."""
    slope = 0.1
    simulation = placed((0.0, 0.0, 0.6 + RESTING_M / math.cos(slope)), pitch=slope)
    hold = (-math.sin(slope) / REACH_M * FEET[:, 0]).unsqueeze(0)
    speeds: list[float] = []
    for _ in range(30):
        simulation.step(hold)
        speeds.append(float(seen(simulation).ball_velocity[0, 0]))
    tilt = math.acos(float(seen(simulation).tray_up[0, 2]))
    assert tilt == pytest.approx(slope, abs=0.01)
    gained = (speeds[-1] - speeds[9]) / (20 * simulation.task.control_dt_s)
    downhill = 5.0 / 7.0 * 9.81 * math.sin(tilt) * math.cos(tilt)
    assert gained == pytest.approx(downhill, rel=0.05)


@pytest.mark.parametrize(("x", "lost"), [(0.49, 0.0), (0.51, 1.0)])
def test_beyond_the_rim_the_ball_is_lost(x: float, lost: float) -> None:
    features = seen(placed((0.0, x, 0.71)))
    assert float(features.ball_lost) == lost
    assert float(features.terminated) == lost


@pytest.mark.parametrize(
    ("x", "speed", "value"), [(0.09, 0.19, 1.0), (0.11, 0.0, 0.0), (0.0, 0.21, 0.0)]
)
def test_what_counts_is_to_lie_in_the_middle(x: float, speed: float, value: float) -> None:
    simulation = placed((x, 0.0, 0.71), velocity=(0.0, speed, 0.0))
    assert float(simulation.task.fitness(seen(simulation))["balanced"]) == value


def test_balls_start_over_the_tray_and_in_motion() -> None:
    task, world = Balance(), torch.arange(2000)
    start = task.reset(world >= 0, Draw(torch.zeros_like(world), world, torch.zeros_like(world)))
    away = torch.hypot(start.qpos[:, 3], start.qpos[:, 4])
    speed = torch.hypot(start.qvel[:, 3], start.qvel[:, 4])
    for value, largest in ((away, 0.3), (speed, 0.5)):
        assert float(value.max()) <= largest
        # uniform over a disc: half of them beyond the radius that halves its area
        assert float((value > largest * math.sqrt(0.5)).double().mean()) == pytest.approx(
            0.5, abs=0.05
        )
    assert 0.71 <= float(start.qpos[:, 5].min()) < float(start.qpos[:, 5].max()) <= 0.81


def tilt_against(features: FeatureView) -> Tensor:
    """Raise the tray where the ball is and where it rolls to."""
    slope = 0.9 * features.ball_position[:, :2] + 0.7 * features.ball_velocity[:, :2]
    return slope @ FEET.T / REACH_M


def test_a_controller_balances_the_ball_and_chance_does_not() -> None:
    task = Balance()
    assert success_rate(task, tilt_against) == 1.0
    assert success_rate(task, at_random(task)) == 0.0
    assert success_rate(task, idle(task)) == 0.0
