"""What the Go1's features and score mean, on states and commands made for it."""

from __future__ import annotations

import math
from dataclasses import replace

import mujoco
import pytest
import torch
from torch import Tensor

from rewardgen_envs.draw import Draw
from rewardgen_envs.features import FeatureView
from rewardgen_envs.go1.velocity import FEET, STANDING_POSE_RAD, SWING_RAD, Velocity
from rewardgen_envs.simulation import Simulation, Step
from rewardgen_envs.task import Initial

torch.set_num_threads(1)


def view(simulation: Simulation, step: Step | None = None) -> FeatureView:
    return simulation.task.table.view(simulation.state if step is None else step.next_state)


def idle(simulation: Simulation) -> Step:
    return simulation.step(torch.zeros(simulation.nworld, 12))


class Commanded(Velocity):
    """Robots that stand still at first, each with commands of its own."""

    velocities: Tensor
    turns: Tensor

    def reset(self, mask: Tensor, draw: Draw) -> Initial:
        start = super().reset(mask, draw)
        start.qvel.zero_()
        commands = {"velocity_commands": self.velocities, "turn_commands": self.turns}
        return replace(start, variables={n: v.double() for n, v in commands.items()})


class Placed(Velocity):
    """One robot in a pose and motion of the test's choice."""

    root = (0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0)
    motion = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)

    def reset(self, mask: Tensor, draw: Draw) -> Initial:
        start = super().reset(mask, draw)
        start.qpos[:, :7] = torch.tensor(self.root)
        start.qvel.zero_()
        start.qvel[:, :6] = torch.tensor(self.motion)
        return start


def placed(quaternion: tuple[float, ...], motion: tuple[float, ...], z: float = 1.0) -> Simulation:
    class Here(Placed):
        root = (0.0, 0.0, z, *quaternion)

    Here.motion = motion
    return Simulation(Here(), [0], 1, threads=1)


def about(axis: int, angle: float) -> tuple[float, ...]:
    quaternion = [math.cos(0.5 * angle), 0.0, 0.0, 0.0]
    quaternion[1 + axis] = math.sin(0.5 * angle)
    return tuple(quaternion)


# ---- features


@pytest.mark.parametrize("yaw", [0.0, 0.5 * math.pi, -2.0])
def test_velocity_is_seen_along_the_heading(yaw: float) -> None:
    seen = view(placed(about(2, yaw), (0.6, 0.2, -0.1, 0.0, 0.0, 0.5)))
    ahead = 0.6 * math.cos(yaw) + 0.2 * math.sin(yaw)
    left = -0.6 * math.sin(yaw) + 0.2 * math.cos(yaw)
    assert seen.heading_velocity[0].tolist() == pytest.approx([ahead, left], abs=1e-6)
    assert float(seen.vertical_velocity) == pytest.approx(-0.1)
    assert float(seen.turn_rate) == pytest.approx(0.5)
    error = seen.heading_velocity - seen.target_velocity
    torch.testing.assert_close(seen.velocity_error, torch.linalg.norm(error, dim=1))
    turn_error = (seen.turn_rate - seen.target_turn_rate).abs()
    torch.testing.assert_close(seen.turn_rate_error, turn_error)


def test_a_tilted_trunk_feels_gravity_in_its_own_frame() -> None:
    nose_down = view(placed(about(1, 0.3), (0.0,) * 6))
    expected = [math.sin(0.3), 0.0, -math.cos(0.3)]
    assert nose_down.projected_gravity[0].tolist() == pytest.approx(expected, abs=1e-6)
    assert float(nose_down.trunk_up) == pytest.approx(math.cos(0.3))


def test_turn_rate_is_mujocos_about_the_vertical() -> None:
    quaternion = torch.nn.functional.normalize(torch.tensor([0.8, 0.3, -0.2, 0.5]), dim=0)
    simulation = placed(tuple(quaternion.tolist()), (0.1, 0.2, 0.3, 0.7, -0.4, 0.9))
    data, velocity = simulation.engine.snapshot(0), torch.zeros(6).double().numpy()
    trunk = simulation.task.model.body("trunk").id
    kind = mujoco.mjtObj.mjOBJ_XBODY
    mujoco.mj_objectVelocity(simulation.task.model, data, kind, trunk, velocity, 0)
    assert float(view(simulation).turn_rate) == pytest.approx(velocity[2], abs=1e-6)


@pytest.mark.parametrize("angle", [0.0, 0.4, 1.2, 2.5])
@pytest.mark.parametrize("axis", [0, 1])
def test_the_trunk_is_within_its_box(axis: int, angle: float) -> None:
    """MuJoCo's distance of the trunk's shapes to the floor is a bit above the box's."""
    simulation = placed(about(axis, angle), (0.0,) * 6)
    model, data = simulation.task.model, simulation.engine.snapshot(0)
    trunk, floor = model.body("trunk").id, model.geom("floor").id
    solid = [g for g in range(model.ngeom) if model.geom_bodyid[g] == trunk]
    solid = [g for g in solid if model.geom_conaffinity[g]]
    lowest = min(mujoco.mj_geomDistance(model, data, floor, g, 10.0, None) for g in solid)
    clearance = float(view(simulation).trunk_clearance)
    assert clearance <= lowest + 1e-3
    assert clearance >= lowest - 0.05


def test_feet_are_on_the_floor_where_mujoco_has_contacts() -> None:
    simulation = placed(about(0, 0.0), (0.0,) * 6, z=0.27)
    idle_air = view(placed(about(0, 0.0), (0.0,) * 6)).foot_on_floor
    assert idle_air.tolist() == [[0.0] * 4]
    for _ in range(20):
        idle(simulation)
    data, model = simulation.engine.snapshot(0), simulation.task.model
    touching = {int(c.geom2) for c in data.contact} | {int(c.geom1) for c in data.contact}
    assert {model.geom(foot).id for foot in FEET} <= touching
    assert view(simulation).foot_on_floor.tolist() == [[1.0] * 4]


def test_time_in_the_air_counts_for_feet_that_are_up() -> None:
    simulation = placed(about(0, 0.0), (0.0,) * 6)
    for _ in range(5):
        step = idle(simulation)
    assert view(simulation, step).foot_air_time[0].tolist() == pytest.approx([0.1] * 4)


# ---- actions


def test_an_action_turns_joints_from_the_standing_pose() -> None:
    task = Velocity()
    features = task.table.view(torch.zeros(3, task.table.width))
    controls = task.actuate(torch.tensor([[0.0] * 12, [1.0] * 12, [-0.5] * 12]), features)
    pose = torch.tensor(STANDING_POSE_RAD)
    torch.testing.assert_close(controls[0], pose)
    torch.testing.assert_close(controls[1], pose + SWING_RAD)
    torch.testing.assert_close(controls[2], pose - 0.5 * SWING_RAD)


def test_the_standing_pose_is_the_robots_own() -> None:
    model = Velocity().model
    assert model.key("home").qpos[7:].tolist() == pytest.approx(list(STANDING_POSE_RAD))


# ---- scores


def stand(velocities: list[list[list[float]]], turns: list[list[float]]) -> tuple[Simulation, Step]:
    """Let robots stand through an episode, whatever they are told."""

    class Told(Commanded):
        pass

    Told.velocities, Told.turns = torch.tensor(velocities), torch.tensor(turns)
    simulation = Simulation(Told(), [0], len(turns), threads=1)
    for _ in range(simulation.task.episode_steps):
        step = idle(simulation)
    assert bool(step.truncated.all())
    return simulation, step


def test_standing_scores_while_it_is_what_is_commanded() -> None:
    still, fast, aside = [0.0, 0.0], [0.8, 0.0], [0.0, -0.3]
    simulation, step = stand(
        [[still, still], [fast, still], [still, aside], [still, still], [fast, fast]],
        [[0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.2, -0.6], [0.0, 0.0]],
    )
    # an error of 0.2 rad/s is within the bound; commands change after 250 of 500 steps
    expected = [1.0, 251 / 500, 249 / 500, 249 / 500, 0.0]
    assert step.fitness["on_command"].tolist() == pytest.approx(expected)
    # the pose holds
    assert bool((simulation.episode == 1).all())
    last = view(simulation, step)
    assert float(last.joint_offsets.abs().max()) < 0.1
    assert float(last.trunk_up.min()) > 0.999
    assert last.trunk_height.tolist() == pytest.approx([0.26] * 5, abs=0.005)


def test_commands_take_turns() -> None:
    class Told(Commanded):
        velocities, turns = torch.tensor([[[0.5, 0.1], [-0.4, 0.2]]]), torch.tensor([[0.3, -0.7]])

    simulation = Simulation(Told(), [0], 1, threads=1)
    seen = view(simulation)
    for number in range(500):
        second = number >= 250
        assert seen.target_velocity[0].tolist() == pytest.approx(
            [-0.4, 0.2] if second else [0.5, 0.1]
        )
        assert float(seen.target_turn_rate) == pytest.approx(-0.7 if second else 0.3)
        seen = view(simulation, idle(simulation))


def test_commands_are_drawn_within_their_ranges() -> None:
    task, world = Velocity(), torch.arange(2000)
    draw = Draw(torch.zeros_like(world), world, torch.zeros_like(world))
    variables = task.reset(torch.ones(2000, dtype=torch.bool), draw).variables
    low = variables["velocity_commands"].amin((0, 1)).tolist()
    high = variables["velocity_commands"].amax((0, 1)).tolist()
    assert low == pytest.approx([-0.5, -0.3], abs=0.01)
    assert high == pytest.approx([1.0, 0.3], abs=0.01)
    assert float(variables["turn_commands"].abs().max()) == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize(
    ("quaternion", "z", "causes"),
    [
        (about(0, 0.0), 0.27, (0.0, 0.0)),
        (about(0, 0.0), 0.06, (1.0, 0.0)),  # on its belly
        (about(0, math.pi), 0.06, (1.0, 1.0)),  # on its back
        (about(0, 1.8), 1.0, (0.0, 1.0)),  # turned over in the air
    ],
)
def test_falling_ends_the_episode(
    quaternion: tuple[float, ...], z: float, causes: tuple[float, float]
) -> None:
    simulation = placed(quaternion, (0.0,) * 6, z)
    seen = view(simulation)
    assert (float(seen.trunk_on_floor), float(seen.upside_down)) == causes
