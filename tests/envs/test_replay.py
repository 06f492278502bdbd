"""Replayed episodes: they are what was played, and their forces are those of the motion."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from rewardgen_envs.motion import Motion, Touched
from rewardgen_envs.registry import load_task
from rewardgen_envs.robot import configuration, find_robot
from tests.envs.played import motion_of
from tests.envs.sled import MASS_KG, Dropped, Flying, Sled, Sliding
from tests.every_task import every_task

GRAVITY = np.array([0.0, 0.0, -9.81])


def wild(time_s: float, step: int, size: int) -> np.ndarray:
    del time_s
    return np.random.default_rng(step).uniform(-1.0, 1.0, size)


@pytest.mark.parametrize("name", every_task())
def test_a_replay_is_what_was_played(name: str) -> None:
    motion = motion_of(load_task(name), wild, steps=12)
    assert motion.drift < 1e-6
    for values in (motion.position, motion.velocity, motion.com, motion.force, motion.speed):
        assert np.isfinite(values).all()
    # MuJoCo moves bodies with the velocity that a step has made; a turn on the way bends the path
    moved = np.diff(motion.position, axis=0) / motion.dt_s
    error = np.linalg.norm(moved - motion.velocity[1:], axis=2)
    assert np.quantile(error, 0.9) < 0.05 * max(1.0, np.abs(motion.velocity).max())


@pytest.mark.parametrize("task", ["ant/run@mass=0.5,motor=0.5", "hopper/run@friction=0.9"])
def test_an_episode_is_replayed_in_its_own_world(task: str) -> None:
    motion = motion_of(load_task(task), wild, steps=20)
    nominal = find_robot(load_task(task.partition("@")[0]).model)
    assert motion.drift < 1e-6
    if "mass" in task:
        assert motion.robot.mass_kg != pytest.approx(nominal.mass_kg, rel=1e-3)


def impulse_error(motion: Motion) -> float:
    """Relative error of Newton's second law for the whole robot, over the samples."""
    total = np.zeros((motion.samples, 3))
    outside = motion.contacts.of(motion.contacts.touched != Touched.ITSELF)
    np.add.at(total, outside.sample, outside.force)
    expected = total / motion.robot.mass_kg + GRAVITY
    acceleration = np.diff(motion.com, n=2, axis=0) / motion.dt_s**2
    # a step from k to k + 1 goes with the velocity that the force at k has made
    error = np.linalg.norm(acceleration - expected[1:-1], axis=1).mean()
    return float(error / np.linalg.norm(expected, axis=1).mean())


@pytest.mark.parametrize("name", ["go1/velocity", "humanoid/stand", "ant/lie-down"])
def test_contact_forces_and_weight_move_the_centre_of_mass(name: str) -> None:
    def gently(time_s: float, step: int, size: int) -> np.ndarray:
        del step
        return 0.1 * np.sin(8.0 * time_s + np.arange(size))

    motion = motion_of(load_task(name), gently, steps=40)
    assert len(motion.contacts.sample) > 50
    assert impulse_error(motion) < 0.05


def test_a_standing_sled_is_carried_by_its_feet() -> None:
    motion = motion_of(Sled())
    late = motion.contacts.of(motion.contacts.sample >= motion.samples // 2)
    assert set(late.touched) == {Touched.GROUND} and len(late.sample) == 4 * motion.samples // 2
    assert late.normal_n.reshape(-1, 4).sum(axis=1) == pytest.approx(MASS_KG * 9.81, rel=1e-3)
    np.testing.assert_allclose(late.force[:, 2], late.normal_n, rtol=1e-6)
    assert late.slip_m_s.max() < 1e-6 and 0.0 < late.depth_m.max() < 0.005
    corners = {(round(x, 2), round(y, 2)) for x, y, _ in late.position}
    assert corners == {(0.3, 0.2), (0.3, -0.2), (-0.3, 0.2), (-0.3, -0.2)}


def test_a_sliding_sled_slips() -> None:
    contacts = motion_of(Sliding()).contacts
    assert contacts.slip_m_s == pytest.approx(0.5, abs=1e-3)
    assert contacts.velocity[:, 0] == pytest.approx(0.5, abs=1e-3)
    assert np.abs(contacts.force[:, :2]).max() < 1e-6


def test_a_flying_sled_touches_nothing() -> None:
    motion = motion_of(Flying())
    assert len(motion.contacts.sample) == 0 and motion.robot.falls
    fall = np.diff(motion.com, n=2, axis=0) / motion.dt_s**2
    np.testing.assert_allclose(fall, np.tile(GRAVITY, (len(fall), 1)), atol=1e-6)


def test_an_impact_between_control_steps_is_seen() -> None:
    motion = motion_of(Dropped())
    push = np.bincount(motion.contacts.sample, motion.contacts.normal_n, motion.samples)
    assert push.max() > 3.0 * MASS_KG * 9.81
    # all that the floor gives: what weight takes in a second, and the speed of the fall
    assert push.sum() * motion.dt_s == pytest.approx(MASS_KG * 9.81 * 1.0, rel=0.05)


@pytest.mark.parametrize(
    ("name", "falls"),
    [
        ("ant/run", True),
        ("hopper/run", True),
        ("half-cheetah/run", True),
        ("go1/velocity", True),
        ("quadcopter/hover", True),
        ("cartpole/balance", False),
        ("car/follow-path", False),
        ("ball-balance/balance", False),
        ("point/maze", False),
        ("panda/pick-cube", False),
        ("shadow-hand/spin-pen", False),
    ],
)
def test_which_robots_can_fall(name: str, falls: bool) -> None:
    assert find_robot(load_task(name).model).falls is falls


def test_the_robot_is_what_actuators_move() -> None:
    task = load_task("panda/pick-cube")
    robot = find_robot(task.model)
    body = mujoco.mjtObj.mjOBJ_BODY
    names = {mujoco.mj_id2name(task.model, body, int(i)) for i in robot.bodies}
    assert "cube" not in " ".join(filter(None, names)) and len(robot.bodies) > 8
    sled = find_robot(Sled().model)
    assert sled.mass_kg == pytest.approx(MASS_KG) and sled.length_m == pytest.approx(0.8, abs=0.01)
    assert sled.joint_names == ("rod",) and sled.joint_high == pytest.approx([np.pi / 6])
    assert sled.force_limit == pytest.approx([1.0])
    assert find_robot(load_task("go1/velocity").model).force_limit.max() < 100.0
    assert np.isinf(find_robot(load_task("panda/pick-cube").model).force_limit).any()


def test_equal_places_have_equal_configurations() -> None:
    model = Sled().model
    robot = find_robot(model)
    qpos = np.tile(model.qpos0, (3, 1))
    qpos[:, 3:7] = np.array([0.6, 0.0, 0.8, 0.0])
    qpos[1, 3:7] *= -1.0  # the same orientation
    qpos[2, 0] += 0.08
    found = configuration(model, robot, qpos)
    np.testing.assert_allclose(found[0], found[1], atol=1e-12)
    assert np.linalg.norm(found[2] - found[0]) == pytest.approx(0.08 / robot.length_m)


def test_an_unlimited_hinge_comes_round() -> None:
    spec = mujoco.MjSpec.from_string(
        "<mujoco><worldbody><body><joint name='wheel' type='hinge'/><geom size='.1'/></body>"
        "</worldbody><actuator><motor joint='wheel'/></actuator></mujoco>"
    )
    model = spec.compile()
    turned = configuration(model, find_robot(model), np.array([[0.5], [0.5 + 2.0 * np.pi]]))
    np.testing.assert_allclose(turned[0], turned[1], atol=1e-12)
