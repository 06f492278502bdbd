"""The Panda is moved as documented, its features mean what they say, its tasks can be solved."""

from __future__ import annotations

import math

import mujoco
import numpy as np
import pytest
import torch
from torch import Tensor

from rewardgen_envs.draw import Draw
from rewardgen_envs.panda.cube import CUBE_HALF_M, START_CENTER_M
from rewardgen_envs.panda.kinematics import hand_pose, joint_motion, turn_between
from rewardgen_envs.panda.lift_cube import LiftCube
from rewardgen_envs.panda.panda import LONGEST_STRIDE_M, Panda
from rewardgen_envs.panda.pick_cube import PickCube
from rewardgen_envs.simulation import Simulation
from tests.envs.panda_script import CLOSED, OPEN, idle, lead, put, view

torch.set_num_threads(1)
ABOVE_M, DAMPING = 0.1, 0.05


def some_angles(model: mujoco.MjModel, rows: int) -> Tensor:
    low, high = torch.as_tensor(model.jnt_range[:7].copy()).unbind(1)
    generator = torch.Generator().manual_seed(0)
    return low + (high - low) * torch.rand(rows, 7, dtype=torch.float64, generator=generator)


def jacobian(model: mujoco.MjModel, data: mujoco.MjData) -> np.ndarray:
    """MuJoCo's jacobian of the point between the finger tips, (6, 7)."""
    moved, turned = np.zeros((2, 3, model.nv))
    mujoco.mj_jacSite(model, data, moved, turned, data.site("grasp").id)
    return np.concatenate([moved, turned])[:, :7]


# ---- kinematics


def test_the_hands_pose_is_mujocos() -> None:
    model = LiftCube().model
    data, angles = mujoco.MjData(model), some_angles(model, 20)
    pose = hand_pose(angles)
    for row in range(len(angles)):
        data.qpos[:7] = angles[row].numpy()
        mujoco.mj_forward(model, data)
        site = data.site("grasp")
        np.testing.assert_allclose(pose.position[row], site.xpos, atol=1e-12)
        axes = torch.stack(pose.axes, dim=2)[row]
        np.testing.assert_allclose(axes, site.xmat.reshape(3, 3), atol=1e-7)
        np.testing.assert_allclose(pose.jacobian[row], jacobian(model, data), atol=1e-12)


def test_joint_motion_is_the_damped_least_squares_solution() -> None:
    angles = some_angles(LiftCube().model, 20)
    generator = torch.Generator().manual_seed(1)
    twist = torch.randn(20, 6, generator=generator).double()
    preferred = torch.randn(20, 7, generator=generator).double()
    matrix = hand_pose(angles).jacobian
    found = joint_motion(matrix, twist, preferred)
    for row in range(20):
        # least |J q - twist|² + damping² |q - preferred|²
        stacked = np.concatenate([matrix[row].numpy(), DAMPING * np.eye(7)])
        right = np.concatenate([twist[row].numpy(), DAMPING * preferred[row].numpy()])
        expected = np.linalg.lstsq(stacked, right, rcond=None)[0]
        np.testing.assert_allclose(found[row], expected, atol=1e-9)


def test_rows_do_not_depend_on_their_number() -> None:
    angles = some_angles(LiftCube().model, 33)
    twist, rest = torch.ones(33, 6).double(), torch.zeros(33, 7).double()
    together = joint_motion(hand_pose(angles).jacobian, twist, rest)
    for row in (0, 17, 32):
        one = slice(row, row + 1)
        alone = joint_motion(hand_pose(angles[one]).jacobian, twist[one], rest[one])
        assert torch.equal(alone[0], together[row])


def test_a_turn_is_axis_times_sine() -> None:
    angles = torch.tensor([LiftCube.home], dtype=torch.float64)
    twisted = angles.clone()
    twisted[0, 6] += 0.3  # about the hand's z axis, which points down
    turn = turn_between(hand_pose(angles), hand_pose(twisted))
    assert turn[0].tolist() == pytest.approx([0.0, 0.0, -math.sin(0.3)], abs=1e-4)


# ---- actions


def controls(task: Panda, angles: Tensor, action: list[float]) -> Tensor:
    state = torch.zeros(len(angles), task.table.width)
    state[:, task.table.columns("joint_angles")] = angles.float()
    given = torch.tensor([action]).expand(len(angles), 4)
    return task.actuate(given, task.table.view(state))


def test_at_home_nothing_moves_without_an_action() -> None:
    home = torch.tensor([LiftCube.home])
    targets = controls(LiftCube(), home, [0.0, 0.0, 0.0, 0.0])
    torch.testing.assert_close(targets[:, :7], home.double(), atol=1e-6, rtol=0.0)


@pytest.mark.parametrize(("action", "finger"), [(-1.0, 0.0), (0.0, 0.02), (1.0, 0.04)])
def test_the_last_action_opens_both_fingers(action: float, finger: float) -> None:
    targets = controls(LiftCube(), torch.tensor([LiftCube.home]), [0.0, 0.0, 0.0, action])
    assert targets[0, 7:].tolist() == pytest.approx([finger, finger])


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_a_full_action_sends_the_hand_five_centimetres_ahead(axis: int, sign: float) -> None:
    task, action = LiftCube(), [0.0, 0.0, 0.0, 0.0]
    action[axis] = sign
    targets = controls(task, torch.tensor([task.home]), action)
    data = mujoco.MjData(task.model)
    poses: list[np.ndarray] = []
    for angles in (np.array(task.home), targets[0, :7].numpy()):
        data.qpos[:7] = angles
        mujoco.mj_forward(task.model, data)
        poses.append(np.concatenate([data.site("grasp").xpos, data.site("grasp").xmat]))
    expected = np.zeros(3)
    expected[axis] = sign * LONGEST_STRIDE_M
    # damping and curvature cost some millimetres and some hundredths of a radian
    np.testing.assert_allclose((poses[1] - poses[0])[:3], expected, atol=0.005)
    np.testing.assert_allclose(poses[1][3:], poses[0][3:], atol=0.05)


def test_the_hand_is_not_sent_out_of_the_workspace() -> None:
    simulation = Simulation(LiftCube(), [0], 4, threads=1)
    low, high = LiftCube.workspace_m
    for corner, direction in ((high, 1.0), (low, -1.0)):
        for _ in range(40):
            step = simulation.step(torch.tensor([[direction] * 3 + [1.0]]).expand(4, 4))
        hand = view(simulation, step).hand_position
        torch.testing.assert_close(hand, torch.tensor([corner]).expand(4, 3), atol=0.015, rtol=0.0)


def test_the_hand_keeps_its_orientation_while_it_moves() -> None:
    simulation = Simulation(LiftCube(), [0], 4, threads=1)
    generator = torch.Generator().manual_seed(0)
    for _ in range(30):
        held = 2.0 * torch.rand(4, 4, generator=generator) - 1.0
        for _ in range(3):
            down = -simulation.engine.field("site_xmat")[:, 0, 8]
            simulation.step(held)
    assert float(down.min()) > math.cos(0.1)


# ---- features


@pytest.mark.parametrize(
    ("finger", "cube_offset", "touching"),
    [
        (0.0200, 0.0, [1.0, 1.0]),
        (0.0215, 0.0, [1.0, 1.0]),  # a gap of 1.5 mm
        (0.0300, 0.0, [0.0, 0.0]),
        (0.0300, 0.0100, [0.0, 1.0]),  # the hand's y axis points to the right
        (0.0300, -0.0100, [1.0, 0.0]),
    ],
)
def test_fingers_touch_what_lies_against_them(
    finger: float, cube_offset: float, touching: list[float]
) -> None:
    class Placed(LiftCube):
        def reset(self, mask: Tensor, draw: Draw) -> object:
            start = super().reset(mask, draw)
            start.qpos[:, :7] = torch.tensor(self.home)
            start.qpos[:, 7:9] = finger
            grasp = hand_pose(start.qpos[:, :7]).position
            start.qpos[:, 9:12] = grasp + torch.tensor([0.0, cube_offset, 0.0])
            start.qpos[:, 12:] = torch.tensor([1.0, 0.0, 0.0, 0.0])
            return start

    seen = view(Simulation(Placed(), [0], 1, threads=1))
    assert seen.finger_on_cube[0].tolist() == touching
    assert float(seen.finger_opening) == pytest.approx(2.0 * finger)
    assert seen.hand_to_cube[0].tolist() == pytest.approx([0.0, cube_offset, 0.0], abs=1e-6)


def test_fingers_do_not_touch_a_cube_beside_them() -> None:
    simulation = Simulation(LiftCube(), [0], 1, threads=1)
    hand = view(simulation).hand_position[0].tolist()
    for shift in ([0.05, 0.0, 0.0], [0.0, 0.0, -0.06]):
        place = [h + s for h, s in zip(hand, shift, strict=True)]
        put(simulation, "cube", [*place, 1.0, 0.0, 0.0, 0.0])
        put(simulation, "left_finger", [0.02])
        put(simulation, "right_finger", [0.02])
        simulation.engine.forward(None)
        assert view(simulation, idle(simulation)).finger_on_cube.tolist() == [[0.0, 0.0]]


def test_touch_is_mujocos_distance_to_the_cube() -> None:
    """While the fingers close on turned cubes and carry them, in a hundred states."""
    simulation = Simulation(LiftCube(), [0], 4, threads=1)
    model, equal = simulation.task.model, []
    pads, cube = [model.geom(f"{s}_pad").id for s in ("left", "right")], model.geom("cube").id
    lead(simulation, lambda f: f.cube_position + torch.tensor([0.0, 0.0, ABOVE_M]), OPEN, 25)
    lead(simulation, lambda f: f.cube_position, OPEN, 15)
    for number in range(25):
        rise = torch.tensor([0.0, 0.0, 0.0 if number < 15 else 0.02])
        step = lead(simulation, lambda f, rise=rise: f.hand_position + rise, CLOSED, 1)
        for world in range(4):
            data = simulation.engine.snapshot(world)
            away = [mujoco.mj_geomDistance(model, data, pad, cube, 1.0, None) for pad in pads]
            seen = view(simulation, step).finger_on_cube[world].tolist()
            equal += [(d < 0.002) == bool(x) for d, x in zip(away, seen, strict=True)]
    assert np.mean(equal) > 0.95


def test_hand_velocity_follows_from_the_joint_velocities() -> None:
    simulation = Simulation(LiftCube(), [0], 2, threads=1)
    for _ in range(5):
        step = simulation.step(torch.tensor([[1.0, -1.0, 0.5, 1.0], [0.0, 1.0, 0.0, -1.0]]))
    seen = view(simulation, step)
    for world in range(2):
        data = simulation.engine.snapshot(world)
        expected = jacobian(simulation.task.model, data)[:3] @ seen.joint_velocities[world].numpy()
        np.testing.assert_allclose(seen.hand_velocity[world], expected, atol=1e-4)


# ---- resets


def test_cubes_start_where_it_is_said_and_are_at_rest() -> None:
    simulation = Simulation(LiftCube(), [0], 500, threads=1)
    seen = view(simulation)
    offset = seen.cube_position[:, :2] - torch.tensor(START_CENTER_M)
    assert float(offset[:, 0].abs().max()) == pytest.approx(0.1, abs=0.005)
    assert float(offset[:, 1].abs().max()) == pytest.approx(0.15, abs=0.005)
    yaw = 2.0 * torch.atan2(seen.cube_quaternion[:, 3], seen.cube_quaternion[:, 0])
    assert float(yaw.abs().max()) == pytest.approx(0.4, abs=0.02)
    moved = view(simulation, idle(simulation)).cube_position - seen.cube_position
    assert float(moved.abs().max()) < 1e-3


# ---- scores


def test_a_cube_is_lifted_from_ten_centimetres_on() -> None:
    task = LiftCube()
    state = torch.zeros(3, task.table.width)
    state[:, task.table.columns("cube_height").start] = torch.tensor([0.02, 0.099, 0.101])
    assert task.fitness(task.table.view(state))["held_up"].tolist() == [False, False, True]


def test_the_longest_time_up_counts() -> None:
    """Up for 20, 60 and 30 steps of 125, down in between."""
    simulation = Simulation(LiftCube(), [0], 1, threads=1)
    pattern = [1] * 20 + [0] * 5 + [1] * 60 + [0] * 10 + [1] * 30
    for up in pattern:
        # it falls by 8 mm within the step
        put(simulation, "cube", [0.5, 0.3, 0.2 if up else CUBE_HALF_M, 1.0, 0.0, 0.0, 0.0])
        step = idle(simulation)
    assert bool(step.truncated)
    assert float(step.fitness["held_up"]) == pytest.approx(60 / 125)


@pytest.mark.parametrize(("away", "lost"), [(0.34, 0.0), (0.36, 1.0)])
def test_a_cube_out_of_reach_is_lost(away: float, lost: float) -> None:
    simulation = Simulation(PickCube(), [0], 1, threads=1)
    put(simulation, "cube", [0.5, away, CUBE_HALF_M, 1.0, 0.0, 0.0, 0.0])
    step = idle(simulation)
    assert float(view(simulation, step).cube_lost) == lost
    assert bool(step.terminated) == bool(lost)
    if lost:
        assert float(step.fitness["final_distance"]) == 1.0


def test_the_distance_at_the_end_counts() -> None:
    simulation = Simulation(PickCube(), [0], 1, threads=1)
    goal = view(simulation).goal_position[0].tolist()
    for number in range(simulation.task.episode_steps):
        on_table = number == simulation.task.episode_steps - 1
        place = [0.5, 0.0, CUBE_HALF_M] if on_table else goal
        put(simulation, "cube", [*place, 1.0, 0.0, 0.0, 0.0])
        step = idle(simulation)
        seen = view(simulation, step)
        expected = math.dist(goal, seen.cube_position[0].tolist())
        assert float(seen.cube_goal_distance) == pytest.approx(expected, abs=1e-5)
        assert (expected < 0.025) != on_table
    assert float(step.fitness["final_distance"]) == pytest.approx(expected, abs=1e-5)


# ---- both tasks can be solved


def grasp(simulation: Simulation) -> None:
    """Take the cubes, in 50 control steps."""
    lead(simulation, lambda f: f.cube_position + torch.tensor([0.0, 0.0, ABOVE_M]), OPEN, 25)
    lead(simulation, lambda f: f.cube_position, OPEN, 15)
    lead(simulation, lambda f: f.hand_position, CLOSED, 10)
    assert bool((view(simulation).finger_on_cube == 1.0).all())


def test_led_by_hand_the_arm_lifts_every_cube() -> None:
    simulation = Simulation(LiftCube(), [1], 12, threads=1)
    grasp(simulation)
    up = torch.tensor([0.0, 0.0, 0.02])
    lead(simulation, lambda f: f.hand_position + up, CLOSED, 18)
    step = lead(simulation, lambda f: f.hand_position, CLOSED, simulation.task.episode_steps - 68)
    assert bool(step.truncated.all())
    assert float(step.fitness["held_up"].min()) >= (simulation.task.metric.success or 1.0)


def test_led_by_hand_the_arm_brings_every_cube_to_its_goal() -> None:
    simulation = Simulation(PickCube(), [1], 12, threads=1)
    grasp(simulation)
    rest = simulation.task.episode_steps - 50
    step = lead(simulation, lambda f: f.hand_position + f.cube_to_goal, CLOSED, rest)
    assert bool(step.truncated.all())
    assert float(step.fitness["final_distance"].max()) <= (simulation.task.metric.success or 0.0)
