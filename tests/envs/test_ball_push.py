"""``ball/push``: where pusher, ball and goal are, how the ball rolls, the score, a controller."""

from __future__ import annotations

import math

import mujoco
import pytest
import torch
from torch import Tensor

from rewardgen_envs.ball.push import Push
from rewardgen_envs.draw import Draw
from rewardgen_envs.features import FeatureView
from rewardgen_envs.simulation import Simulation
from rewardgen_envs.task import Initial
from tests.envs.scripted import at_random, idle, success_rate

torch.set_num_threads(1)
MASS_KG, RADIUS_M, DAMPING = 0.1, 0.06, 0.002
TOUCHING_M = 0.11  # between the centres of pusher and ball


def placed(
    ball: tuple[float, float],
    *,
    pusher: tuple[float, float] = (-0.9, -0.9),
    goal: tuple[float, float] = (0.5, 0.0),
    speed: float = 0.0,
) -> Simulation:
    """A ball on the table that rolls along x."""

    class Placed(Push):
        def reset(self, mask: Tensor, draw: Draw) -> Initial:
            qpos = torch.tensor([[*goal, *pusher, *ball, RADIUS_M, 1.0, 0.0, 0.0, 0.0]]).double()
            qvel = torch.zeros(1, 10).double()
            qvel[0, 4], qvel[0, 8] = speed, speed / RADIUS_M
            return Initial(qpos=qpos, qvel=qvel)

    return Simulation(Placed(), [0], 1, threads=1)


def seen(simulation: Simulation) -> FeatureView:
    return simulation.task.table.view(simulation.state)


def test_where_things_are_to_each_other() -> None:
    features = seen(placed((0.1, 0.2), pusher=(-0.2, -0.2), goal=(0.4, -0.2)))
    torch.testing.assert_close(features.ball_vector[0], torch.tensor([0.3, 0.4]))
    torch.testing.assert_close(features.goal_vector[0], torch.tensor([0.3, -0.4]))
    assert float(features.ball_gap) == pytest.approx(0.5 - TOUCHING_M)
    assert float(features.goal_distance) == pytest.approx(0.5)
    assert float(features.push_alignment) == pytest.approx((0.09 - 0.16) / 0.25, abs=1e-6)


@pytest.mark.parametrize(
    ("angle", "cosine"), [(0.0, 1.0), (0.5 * math.pi, 0.0), (math.pi, -1.0), (1.0, math.cos(1.0))]
)
def test_alignment_is_one_behind_the_ball(angle: float, cosine: float) -> None:
    pusher = (-0.2 * math.cos(angle), -0.2 * math.sin(angle))
    features = seen(placed((0.0, 0.0), pusher=pusher, goal=(0.5, 0.0)))
    assert float(features.push_alignment) == pytest.approx(cosine, abs=1e-6)


@pytest.mark.parametrize("distance", [0.10, 0.11, 0.3])
def test_the_gap_is_mujocos_distance(distance: float) -> None:
    simulation = placed((0.0, 0.0), pusher=(-0.6 * distance, 0.8 * distance))
    model, data = simulation.task.model, simulation.engine.snapshot(0)
    mujoco.mj_forward(model, data)
    pusher, ball = (
        mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_GEOM, name) for name in ("pusher", "ball")
    )
    expected = mujoco.mj_geomDistance(model, data, pusher, ball, 1.0, None)
    assert float(seen(simulation).ball_gap) == pytest.approx(expected, abs=1e-5)


def test_a_rolling_ball_slows_down_exponentially() -> None:
    """Drag on motion and on turning, over the inertia of a rolling sphere, 7/5 of its mass."""
    simulation = placed((-0.8, 0.0), speed=0.8)
    rate = (DAMPING + DAMPING / RADIUS_M**2) / (1.4 * MASS_KG)
    for number in range(1, 13):
        simulation.step(torch.zeros(1, 2))
        expected = 0.8 * math.exp(-rate * number * simulation.task.control_dt_s)
        assert float(seen(simulation).ball_speed) == pytest.approx(expected, abs=0.02)


def test_the_pusher_goes_as_fast_as_it_is_told_and_drives_the_ball() -> None:
    simulation = placed((0.0, 0.0), pusher=(-0.3, 0.0), goal=(0.8, 0.0))
    for _ in range(6):
        simulation.step(torch.tensor([[0.5, 0.0]]))
    assert seen(simulation).pusher_velocity[0].tolist() == pytest.approx([0.5, 0.0], abs=0.02)
    assert float(seen(simulation).ball_speed) == 0.0
    for _ in range(15):
        simulation.step(torch.tensor([[0.5, 0.0]]))
    assert float(seen(simulation).ball_position[0, 0]) > 0.1
    assert float(seen(simulation).ball_gap) > -0.01


@pytest.mark.parametrize(("ball", "off"), [((0.99, 0.0), 0.0), ((0.0, -1.01), 1.0)])
def test_the_episode_ends_when_the_ball_leaves_the_table(
    ball: tuple[float, float], off: float
) -> None:
    features = seen(placed(ball))
    assert (float(features.ball_off_table), float(features.terminated)) == (off, off)


@pytest.mark.parametrize(("x", "value"), [(0.41, 1.0), (0.39, 0.0), (0.61, 0.0)])
def test_what_counts_is_that_the_ball_is_at_the_goal(x: float, value: float) -> None:
    simulation = placed((x, 0.0))
    task, features = simulation.task, seen(simulation)
    assert float(task.fitness(features)["ball_at_goal"]) == value
    assert float(task.sparse_reward(features, torch.zeros(1, 2), features)) == value


def test_starts_leave_room_between_all_three() -> None:
    task, world = Push(), torch.arange(2000)
    start = task.reset(world >= 0, Draw(torch.zeros_like(world), world, torch.zeros_like(world)))
    goal, pusher, ball = start.qpos[:, :2], start.qpos[:, 2:4], start.qpos[:, 4:6]
    for other, nearest, farthest in ((pusher, 0.15, 0.4), (goal, 0.25, 0.5)):
        away = (other - ball).norm(dim=1)
        assert nearest <= float(away.min()) < nearest + 0.01
        assert farthest - 0.01 < float(away.max()) <= farthest
    assert float(start.qpos[:, :6].abs().max()) < 1.0


def shepherd(features: FeatureView) -> Tensor:
    """Go around the ball until behind it, then push, and slow down near the goal."""
    distance = features.goal_distance.unsqueeze(1).clamp(min=1e-6)
    ahead = features.goal_vector / distance
    away = features.ball_vector.norm(dim=1, keepdim=True)
    towards = features.ball_vector / away
    aside = torch.stack([-towards[:, 1], towards[:, 0]], dim=1)
    behind = features.ball_vector - (TOUCHING_M + 0.03) * ahead
    way_round = torch.where((aside * behind).sum(1, keepdim=True) < 0.0, -aside, aside)
    circling = 0.6 * way_round + 4.0 * (away - TOUCHING_M - 0.06) * towards
    off_line = features.ball_vector - ahead * (features.ball_vector * ahead).sum(1, keepdim=True)
    pushing = (1.5 * distance).clamp(max=0.5) * ahead + 6.0 * off_line
    action = torch.where(features.push_alignment.unsqueeze(1) > 0.9, pushing, circling)
    return action * (distance > 0.04)


def test_a_controller_brings_the_ball_to_the_goal_and_chance_does_not() -> None:
    task = Push()
    assert success_rate(task, shepherd) == 1.0
    assert success_rate(task, at_random(task)) < 0.1
    assert success_rate(task, idle(task)) == 0.0
