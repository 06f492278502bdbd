"""``quadcopter/hover``: what the rotors do, what is seen on board, the score, a controller."""

from __future__ import annotations

import math

import mujoco
import numpy as np
import pytest
import torch
from torch import Tensor

from rewardgen_envs.draw import Draw
from rewardgen_envs.features import FeatureView
from rewardgen_envs.quadcopter.hover import Hover
from rewardgen_envs.simulation import Simulation
from rewardgen_envs.task import Initial
from tests.envs.scripted import at_random, idle, success_rate

torch.set_num_threads(1)
MASS_KG, ARM_M, DRAG_M, INERTIA = 1.0, 0.15, 0.02, (0.01, 0.01, 0.018)
FULL_N, GRAVITY = 5.0, 9.81
ROTOR_X = torch.tensor([ARM_M, -ARM_M, -ARM_M, ARM_M])  # front left, back left, back right, …
ROTOR_Y = torch.tensor([ARM_M, ARM_M, -ARM_M, -ARM_M])
ROTOR_TURN = torch.tensor([1.0, -1.0, 1.0, -1.0])


def placed(
    position: tuple[float, float, float] = (0.0, 0.0, 1.5),
    quaternion: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 0.0),
    velocity: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> Simulation:
    class Placed(Hover):
        def reset(self, mask: Tensor, draw: Draw) -> Initial:
            return Initial(
                qpos=torch.tensor([[*position, *quaternion]]).double(),
                qvel=torch.tensor([[*velocity, 0.0, 0.0, 0.0]]).double(),
            )

    return Simulation(Placed(), [0], 1, threads=1)


def seen(simulation: Simulation) -> FeatureView:
    return simulation.task.table.view(simulation.state)


@pytest.mark.parametrize(
    ("thrusts", "torque"),
    [
        ((2.0, 2.0, 2.0, 2.0), (0.0, 0.0, 0.0)),
        ((2.1, 2.1, 1.9, 1.9), (4 * 0.1 * ARM_M, 0.0, 0.0)),  # left up: rolls to the right
        ((1.9, 2.1, 2.1, 1.9), (0.0, 4 * 0.1 * ARM_M, 0.0)),  # back up: the nose goes down
        ((2.1, 1.9, 2.1, 1.9), (0.0, 0.0, 4 * 0.1 * DRAG_M)),
    ],
)
def test_rotors_lift_and_turn_as_newton_says(
    thrusts: tuple[float, ...], torque: tuple[float, float, float]
) -> None:
    simulation = placed()
    simulation.step(torch.tensor([thrusts]) / (FULL_N / 2.0) - 1.0)
    features, duration = seen(simulation), simulation.task.control_dt_s
    lift = (sum(thrusts) / MASS_KG - GRAVITY) * duration
    assert float(features.velocity[0, 2]) == pytest.approx(lift, abs=1e-3)
    turned = [t / i * duration for t, i in zip(torque, INERTIA, strict=True)]
    assert features.angular_velocity[0].tolist() == pytest.approx(turned, abs=1e-3)


def test_what_is_seen_on_board() -> None:
    """By hand: turned by 90 degrees to the left, so the world's x axis is to the right."""
    half = math.sqrt(0.5)
    features = seen(placed((0.3, 0.4, 0.7), (half, 0.0, 0.0, half), (1.0, 2.0, 3.0)))
    torch.testing.assert_close(features.velocity_own[0], torch.tensor([2.0, -1.0, 3.0]))
    torch.testing.assert_close(features.target_vector_own[0], torch.tensor([-0.4, 0.3, 0.8]))
    assert float(features.target_distance) == pytest.approx(math.sqrt(0.09 + 0.16 + 0.64))
    assert float(features.speed) == pytest.approx(math.sqrt(14.0))
    torch.testing.assert_close(features.world_up_own[0], torch.tensor([0.0, 0.0, 1.0]))


def test_the_world_is_turned_into_the_body_as_mujoco_does() -> None:
    simulation = Simulation(Hover(), [0], 16, threads=1)
    features = seen(simulation)
    for world in range(16):
        inverse, found = np.zeros(4), np.zeros(3)
        mujoco.mju_negQuat(inverse, features.quaternion[world].double().numpy())
        target = np.array([0.0, 0.0, 1.5]) - features.position[world].double().numpy()
        for vector, name in (
            (target, "target_vector_own"),
            (features.velocity[world].double().numpy(), "velocity_own"),
            (np.array([0.0, 0.0, 1.0]), "world_up_own"),
        ):
            mujoco.mju_rotVecQuat(found, vector, inverse)
            given = getattr(features, name)[world].tolist()
            assert given == pytest.approx(found.tolist(), abs=1e-5), name
        assert float(features.body_up[world]) == pytest.approx(
            float(features.world_up_own[world, 2])
        )


def test_starts_are_tilted_by_up_to_their_limit_in_all_headings() -> None:
    task, world = Hover(), torch.arange(2000)
    start = task.reset(world >= 0, Draw(torch.zeros_like(world), world, torch.zeros_like(world)))
    w, x, y, z = start.qpos[:, 3:].unbind(1)
    torch.testing.assert_close(w**2 + x**2 + y**2 + z**2, torch.ones_like(w))
    tilt = torch.acos(1.0 - 2.0 * (x**2 + y**2))
    assert float(tilt.max()) <= 0.3 + 1e-6
    assert float(tilt.median()) == pytest.approx(0.15, abs=0.02)
    heading = torch.atan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y**2 + z**2))
    quarters = torch.histc(heading, bins=4, min=-math.pi, max=math.pi) / 2000
    assert float((quarters - 0.25).abs().max()) < 0.05
    away = start.qpos[:, :3] - torch.tensor([0.0, 0.0, 1.5])
    assert 0.9 < float(away.abs().max()) <= 1.0


@pytest.mark.parametrize(
    ("position", "crashed", "lost"),
    [
        ((0.0, 0.0, 0.11), 0.0, 0.0),
        ((0.0, 0.0, 0.09), 1.0, 0.0),
        ((2.9, 0.0, 1.5), 0.0, 0.0),
        ((0.0, 0.0, 4.6), 0.0, 1.0),
    ],
)
def test_low_or_far_away_the_flight_is_over(
    position: tuple[float, float, float], crashed: float, lost: float
) -> None:
    features = seen(placed(position))
    assert (float(features.crashed), float(features.lost)) == (crashed, lost)


@pytest.mark.parametrize(
    ("x", "speed", "value"), [(0.19, 0.49, 1.0), (0.21, 0.0, 0.0), (0.0, 0.51, 0.0)]
)
def test_what_counts_is_to_hover_at_the_target(x: float, speed: float, value: float) -> None:
    simulation = placed((x, 0.0, 1.5), velocity=(0.0, 0.0, speed))
    assert float(simulation.task.fitness(seen(simulation))["hovering"]) == value


def fly(features: FeatureView) -> Tensor:
    """Push along what is wanted: towards the target, not too fast, and against gravity."""
    towards = 4.0 * features.target_vector_own.clamp(-0.7, 0.7) - 3.2 * features.velocity_own
    wanted = towards + GRAVITY * features.world_up_own
    lean = torch.stack([-wanted[:, 1], wanted[:, 0]], dim=1) / wanted.norm(dim=1, keepdim=True)
    torque = 1.6 * lean - 0.25 * features.angular_velocity[:, :2]
    yaw = -0.05 * features.angular_velocity[:, 2:]
    thrust = (
        MASS_KG * wanted[:, 2:] / 4.0
        + (torque[:, :1] * ROTOR_Y - torque[:, 1:] * ROTOR_X) / (4.0 * ARM_M**2)
        + yaw * ROTOR_TURN / (4.0 * DRAG_M)
    )
    return thrust / (FULL_N / 2.0) - 1.0


def test_a_controller_hovers_and_chance_does_not() -> None:
    task = Hover()
    assert success_rate(task, fly) == 1.0
    assert success_rate(task, at_random(task)) == 0.0
    assert success_rate(task, idle(task)) == 0.0
