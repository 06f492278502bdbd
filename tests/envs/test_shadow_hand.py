"""What features and fitness of the Shadow hand tasks mean, on states made for it."""

from __future__ import annotations

import math

import mujoco
import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from rewardgen_envs.draw import Draw
from rewardgen_envs.features import FeatureView
from rewardgen_envs.registry import load_task
from rewardgen_envs.shadow_hand.hand import (
    DROPPED_M,
    JOINTS,
    PALM_RADIUS_M,
    TARGET_SPEED_RAD_S,
    Hand,
)
from rewardgen_envs.shadow_hand.rotate_cube import REACHED_RAD, TARGETS, RotateCube
from rewardgen_envs.shadow_hand.rotations import (
    about_vertical,
    heading_change,
    multiply,
    rotation_vector,
)
from rewardgen_envs.shadow_hand.spin_pen import SpinPen
from rewardgen_envs.simulation import Simulation, Step
from rewardgen_envs.task import Initial

torch.set_num_threads(1)
NAMES = ("shadow-hand/rotate-cube", "shadow-hand/spin-pen")
TURN = 2.0 * math.pi
ABOVE_M = 0.4  # out of the hand's reach, and high enough to fall for a while


def view(simulation: Simulation, step: Step | None = None) -> FeatureView:
    return simulation.task.table.view(simulation.state if step is None else step.next_state)


def idle(simulation: Simulation) -> Step:
    return simulation.step(torch.zeros(simulation.nworld, 20))


def held(task: object) -> Hand:
    assert isinstance(task, Hand)
    return task


def random_rotations(count: int) -> Rotation:
    return Rotation.random(count, rng=np.random.default_rng(0))


def quaternions(rotations: Rotation) -> Tensor:
    """Scalar part first."""
    return torch.as_tensor(np.roll(rotations.as_quat(), 1, axis=-1))


# ---- rotations


def test_rotations_are_scipys() -> None:
    start, end = random_rotations(600)[:300], random_rotations(600)[300:]
    p, q = quaternions(start), quaternions(end)
    product = quaternions(start * end)
    same = (multiply(p, q) * product).sum(1).abs()
    torch.testing.assert_close(same, torch.ones(300, dtype=torch.float64))
    expected = torch.as_tensor((end * start.inv()).as_rotvec())
    for sign in (1.0, -1.0):  # q and -q are one orientation
        torch.testing.assert_close(rotation_vector(p, sign * q), expected)
    upright = quaternions(Rotation.from_rotvec([[0.0, 0.0, -2.5]]))
    torch.testing.assert_close(about_vertical(torch.tensor([-2.5]).double()), upright)


@pytest.mark.parametrize("angle", [0.0, 1e-6, 1e-3, math.pi - 1e-3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_small_and_half_turns_keep_their_angle(angle: float, dtype: torch.dtype) -> None:
    start = random_rotations(50)
    axis = Rotation.random(50, rng=np.random.default_rng(1)).apply([1.0, 0.0, 0.0])
    end = Rotation.from_rotvec(angle * axis) * start
    found = rotation_vector(quaternions(start).to(dtype), quaternions(end).to(dtype))
    rounding = 1e-6 if dtype is torch.float32 else 1e-12
    expected = torch.as_tensor(angle * axis).to(dtype)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=rounding)


def test_heading_changes_are_signed_and_wrap() -> None:
    def pointing(*angles: float) -> Tensor:
        return torch.tensor([[math.cos(a), math.sin(a), 0.7] for a in angles])

    found = heading_change(pointing(0.0, 0.0, 3.0, -3.0), pointing(1.0, -2.0, -3.0, 3.0))
    wrap = TURN - 6.0
    torch.testing.assert_close(found, torch.tensor([1.0, -2.0, wrap, -wrap]))


# ---- the hand


@pytest.mark.parametrize("name", NAMES)
def test_only_primitive_shapes_collide(name: str) -> None:
    model = load_task(name).model
    shape = mujoco.mjtGeom
    kinds = {shape.mjGEOM_CAPSULE, shape.mjGEOM_BOX, shape.mjGEOM_PLANE, shape.mjGEOM_SPHERE}
    able = (model.geom_contype != 0) | (model.geom_conaffinity != 0)
    assert {mujoco.mjtGeom(int(kind)) for kind in model.geom_type[able]} <= kinds
    paired = {int(g) for g in (*model.pair_geom1, *model.pair_geom2)}
    assert {mujoco.mjtGeom(int(model.geom_type[g])) for g in paired} <= kinds
    assert model.npair == 18


@pytest.mark.parametrize("name", NAMES)
def test_no_two_boxes_collide(name: str) -> None:
    """Engines differ in where two boxes touch."""
    model = load_task(name).model
    boxes = [g for g in range(model.ngeom) if model.geom_type[g] == mujoco.mjtGeom.mjGEOM_BOX]
    meeting = [
        (a, b) for a in boxes for b in boxes if model.geom_contype[a] & model.geom_conaffinity[b]
    ]
    assert meeting == []


def test_the_cubes_corners_are_those_of_its_box() -> None:
    model = load_task("shadow-hand/rotate-cube").model
    mine = model.geom_bodyid == model.body("cube").id
    corners = mine & (model.geom_type == mujoco.mjtGeom.mjGEOM_SPHERE)
    reach = abs(model.geom_pos[corners]) + model.geom_size[corners, :1]
    assert reach.shape == (8, 3)
    np.testing.assert_allclose(reach, np.tile(model.geom("cube").size, (8, 1)))
    assert len({tuple(np.sign(p)) for p in model.geom_pos[corners]}) == 8


@pytest.mark.parametrize("name", NAMES)
def test_actions_move_the_motors_targets_on(name: str) -> None:
    task = load_task(name)
    simulation = Simulation(task, [0], 4, threads=1)
    model = task.model
    low, high = torch.as_tensor(model.actuator_ctrlrange.copy()).float().unbind(1)
    driven = [model.joint(model.actuator(i).name.replace("A_", "")).qposadr[0] for i in range(20)]
    targets = view(simulation).joint_angles[:, driven].clone()
    torch.testing.assert_close(view(simulation).motor_targets, targets)
    generator = torch.Generator().manual_seed(0)
    for _ in range(30):
        action = 2.0 * torch.rand(4, 20, generator=generator) - 1.0
        step = simulation.step(action)
        assert not bool(step.ended.any())
        targets = torch.clamp(targets + TARGET_SPEED_RAD_S * task.control_dt_s * action, low, high)
        torch.testing.assert_close(view(simulation, step).motor_targets, targets)
        torch.testing.assert_close(simulation.engine.field("ctrl").float(), targets)
    assert bool((targets == low).any() and (targets == high).any())


@pytest.mark.parametrize("name", NAMES)
def test_what_is_held_starts_in_the_palm_and_touches_nothing(name: str) -> None:
    task = held(load_task(name))
    worlds = 32
    simulation = Simulation(task, [0], worlds, threads=1)
    qpos = simulation.engine.field("qpos")
    assert bool(torch.isfinite(qpos).all())
    assert bool((qpos[:, :JOINTS].std(0) > 0.005).all())
    assert bool((qpos[:, JOINTS : JOINTS + 2].std(0) > 0.0005).all())
    model = task.model
    thing = model.geom(task.held).id
    others = [g for g in range(model.ngeom) if model.geom_contype[g]]
    for world in range(worlds):
        data = simulation.engine.snapshot(world)
        nearest = min(
            mujoco.mj_geomDistance(model, data, thing, other, 1.0, None) for other in others
        )
        assert 0.0 < nearest < 0.02, world


@pytest.mark.parametrize("name", NAMES)
def test_what_is_held_stays_in_a_hand_that_idles(name: str) -> None:
    task = held(load_task(name))
    simulation = Simulation(task, [1], 16, threads=1)
    began = getattr(view(simulation), f"{task.held}_position").clone()
    for _ in range(25):
        assert not bool(idle(simulation).ended.any())
    seen = view(simulation)
    moved = getattr(seen, f"{task.held}_position") - began
    assert float(moved.norm(dim=1).max()) < 0.06
    assert float(getattr(seen, f"{task.held}_velocity").norm(dim=1).max()) < 0.1


def put(simulation: Simulation, position: list[float], quaternion: Tensor) -> None:
    """Put what is held somewhere, at rest, in all worlds."""
    qpos, qvel = (simulation.engine.field(name).clone() for name in ("qpos", "qvel"))
    qpos[:, JOINTS:] = torch.cat([torch.tensor(position).double(), quaternion.double()])
    qvel[:, JOINTS:] = 0.0
    simulation.engine.write("qpos", qpos, None)
    simulation.engine.write("qvel", qvel, None)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("position", "dropped"),
    [
        ([0.0, 0.0, DROPPED_M + 0.01], False),  # it falls by 8 mm in a control step
        ([0.0, 0.0, DROPPED_M + 0.005], True),
        ([PALM_RADIUS_M - 0.001, 0.0, ABOVE_M], False),
        ([0.0, -PALM_RADIUS_M - 0.001, ABOVE_M], True),
        ([0.09, 0.09, ABOVE_M], True),
    ],
)
def test_a_drop_ends_the_episode(name: str, position: list[float], dropped: bool) -> None:
    task = load_task(name)
    task.model.geom_conaffinity[:] = 0  # so that the hand is not in the way
    simulation = Simulation(task, [0], 1, threads=1)
    put(simulation, position, torch.tensor([1.0, 0.0, 0.0, 0.0]))
    step = idle(simulation)
    assert bool(step.terminated) == dropped
    assert float(view(simulation, step).dropped) == dropped


@pytest.mark.parametrize("name", NAMES)
def test_angular_velocity_is_about_the_worlds_axes(name: str) -> None:
    task = held(load_task(name))
    task.model.dof_damping[JOINTS:] = 0.0
    simulation = Simulation(task, [0], 1, threads=1)
    put(simulation, [0.0, 0.0, ABOVE_M], quaternions(random_rotations(1))[0])
    qvel = simulation.engine.field("qvel").clone()
    # about one of its own axes, so that the rotation is steady
    qvel[:, JOINTS + 3 :] = torch.tensor([2.0, 0.0, 0.0])
    simulation.engine.write("qvel", qvel, None)
    before = simulation.engine.field("qpos")[0, JOINTS + 3 :].clone()
    seen = view(simulation, idle(simulation))
    after = simulation.engine.field("qpos")[0, JOINTS + 3 :]
    start, end = (Rotation.from_quat(np.roll(q.numpy(), -1)) for q in (before, after))
    expected = (end * start.inv()).as_rotvec() / task.control_dt_s
    found = getattr(seen, f"{task.held}_angular_velocity")[0]
    torch.testing.assert_close(found, torch.as_tensor(expected).float(), atol=1e-3, rtol=1e-3)


# ---- the cube


class PlacedCube(RotateCube):
    """The cube starts unturned; each target is a given turn from there."""

    headings = tuple(0.7 * (k + 1) for k in range(TARGETS))

    def reset(self, mask: Tensor, draw: Draw) -> Initial:
        rows = torch.zeros(len(mask), dtype=torch.float64)
        targets = torch.tensor(self.headings, dtype=torch.float64).expand(len(mask), -1)
        qpos, qvel = self.start(draw, rows)
        return Initial(qpos=qpos, qvel=qvel, variables={"target_headings": targets})


def turn_cube(simulation: Simulation, heading: float) -> Step:
    """Let the cube be turned so at the end of a control step, in the air."""
    put(simulation, [0.0, 0.0, ABOVE_M], about_vertical(torch.tensor(heading)))
    return idle(simulation)


def test_the_error_is_the_angle_to_the_target_in_space() -> None:
    class Anyhow(PlacedCube):
        def reset(self, mask: Tensor, draw: Draw) -> Initial:
            start = super().reset(mask, draw)
            start.qpos[:, JOINTS + 3 :] = quaternions(random_rotations(len(mask)))
            return start

    seen = view(Simulation(Anyhow(), [0], 20, threads=1))
    target = Rotation.from_rotvec([0.0, 0.0, Anyhow.headings[0]])
    missing = (target * random_rotations(20).inv()).as_rotvec()
    expected = torch.as_tensor(missing).float()
    torch.testing.assert_close(seen.rotation_to_target, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(seen.rotation_error, expected.norm(dim=1), atol=1e-5, rtol=1e-5)
    expected = quaternions(target).float().expand(20, -1)
    torch.testing.assert_close(seen.target_quaternion, expected)


def test_targets_count_in_their_order_and_once() -> None:
    simulation = Simulation(PlacedCube(), [0], 1, threads=1)
    task = simulation.task
    inside = REACHED_RAD - 0.02
    visits = [
        (1.4, 0),  # the second target, while the first is due
        (0.7 + inside, 1),
        (0.7, 1),
        (2.1, 1),  # the third, while the second is due
        (1.4 - REACHED_RAD - 0.02, 1),  # not near enough
        (1.4 - inside, 2),
        (0.0, 2),
        (2.1, 3),
    ]
    paid = 0.0
    for heading, reached in visits:
        before = view(simulation)
        step = turn_cube(simulation, heading)
        after = view(simulation, step)
        paid += float(task.sparse_reward(before, torch.zeros(1, 20), after))
        assert float(after.targets_reached) == reached == paid
        assert float(task.fitness(after)["targets_reached"]) == pytest.approx(reached / TARGETS)


def test_the_next_target_follows_a_step_after_the_last() -> None:
    simulation = Simulation(PlacedCube(), [0], 1, threads=1)
    at = view(simulation, turn_cube(simulation, 0.6))
    assert float(at.at_target) == 1.0
    assert float(at.rotation_error) == pytest.approx(0.1, abs=1e-5)
    later = view(simulation, turn_cube(simulation, 0.8))
    assert float(later.at_target) == 0.0
    assert float(later.rotation_error) == pytest.approx(0.6, abs=1e-5)
    # towards the new target, though the old one was nearer before
    speed = 0.2 / simulation.task.control_dt_s
    assert float(later.approach_velocity) == pytest.approx(speed, abs=1e-3)
    assert float(later.rotation_to_target[0, 2]) == pytest.approx(0.6, abs=1e-5)


def test_all_targets_and_then_no_more() -> None:
    simulation = Simulation(PlacedCube(), [0], 1, threads=1)
    for heading in (*PlacedCube.headings, *PlacedCube.headings):
        step = turn_cube(simulation, heading)
    assert float(view(simulation, step).targets_reached) == TARGETS
    put(simulation, [0.0, 0.0, 0.0], torch.tensor([1.0, 0.0, 0.0, 0.0]))
    step = idle(simulation)
    assert bool(step.terminated)
    assert float(step.fitness["targets_reached"]) == 1.0  # kept after the drop


def test_no_state_is_at_two_targets_in_a_row() -> None:
    task, world = load_task("shadow-hand/rotate-cube"), torch.arange(2000)
    draw = Draw(torch.zeros_like(world), world, torch.zeros_like(world))
    start = task.reset(torch.ones(2000, dtype=torch.bool), draw)
    headings = start.variables["target_headings"]
    first = 2.0 * torch.atan2(start.qpos[:, JOINTS + 6], start.qpos[:, JOINTS + 3])
    turns = torch.diff(torch.cat([first.unsqueeze(1), headings], 1), dim=1)
    turns = torch.atan2(turns.sin(), turns.cos())
    assert float(turns.abs().min()) > 2.0 * REACHED_RAD
    assert float(turns.abs().max()) <= 0.5 * math.pi + 1e-9
    assert float((turns > 0.0).double().mean()) == pytest.approx(0.5, abs=0.02)


# ---- the pen


def point_pen(simulation: Simulation, heading: float, upwards: float = 0.0) -> Step:
    """Let the pen point there at the end of a control step, in the air."""
    lying = Rotation.from_euler("y", 0.5 * math.pi - upwards)
    turned = Rotation.from_rotvec([0.0, 0.0, heading]) * lying
    put(simulation, [0.0, 0.0, ABOVE_M], quaternions(turned))
    return idle(simulation)


def test_turns_add_up_with_their_sign() -> None:
    simulation = Simulation(SpinPen(), [0], 1, threads=1)
    first = view(simulation).pen_axis[0]
    start = math.atan2(float(first[1]), float(first[0]))
    paid, most = 0.0, 0.0
    for turned in [0.5, 2.5, 2.0, 4.5, 7.0, 6.0, 8.0, 10.5, 13.0, 12.0]:
        before = view(simulation)
        step = point_pen(simulation, start + turned)
        after = view(simulation, step)
        most = max(most, turned)
        paid += float(simulation.task.sparse_reward(before, torch.zeros(1, 20), after))
        assert float(after.turned) == pytest.approx(turned, abs=1e-4)
        fitness = float(simulation.task.fitness(after)["turns"])
        assert fitness == pytest.approx(most / TURN, abs=1e-4)
        assert paid == most // TURN
    assert float(after.turn_rate) == pytest.approx(-1.0 / simulation.task.control_dt_s, rel=1e-3)
    assert paid == 2.0


def test_turning_while_upright_does_not_count() -> None:
    simulation = Simulation(SpinPen(), [0], 1, threads=1)
    point_pen(simulation, 0.0)
    began = float(view(simulation).turned)
    for heading in (0.5, 1.0, 1.5):
        seen = view(simulation, point_pen(simulation, heading, upwards=math.radians(65.0)))
        assert float(seen.pen_level) == pytest.approx(math.cos(math.radians(65.0)), abs=1e-5)
    assert float(seen.turned) == pytest.approx(began, abs=1e-5)
    point_pen(simulation, 1.5, upwards=math.radians(55.0))
    seen = view(simulation, point_pen(simulation, 2.0, upwards=math.radians(55.0)))
    assert float(seen.turned) == pytest.approx(began + 0.5, abs=1e-5)


def test_after_a_drop_the_turns_so_far_are_the_score() -> None:
    simulation = Simulation(SpinPen(), [0], 1, threads=1)
    start = float(torch.atan2(view(simulation).pen_axis[0, 1], view(simulation).pen_axis[0, 0]))
    for turned in (2.0, 4.0):
        point_pen(simulation, start + turned)
    put(simulation, [0.0, 0.0, 0.05], simulation.engine.field("qpos")[0, JOINTS + 3 :].clone())
    step = idle(simulation)
    assert bool(step.terminated)
    assert float(step.fitness["turns"]) == pytest.approx(4.0 / TURN, abs=0.1)


def test_fingertips_are_as_far_as_the_nearest_point_of_the_pen() -> None:
    simulation = Simulation(SpinPen(), [0], 8, threads=1)
    seen = view(simulation)
    along = torch.linspace(-0.1, 0.1, 2001).unsqueeze(1)
    points = seen.pen_position.unsqueeze(1) + along * seen.pen_axis.unsqueeze(1)
    away = torch.cdist(seen.fingertip_positions, points).amin(2)
    torch.testing.assert_close(seen.fingertip_distances, away, atol=1e-5, rtol=1e-4)
