"""Behaviours of hopper and ant: fitness of made states, of what succeeds, of what only tries."""

from __future__ import annotations

import math
from collections.abc import Callable

import mujoco
import pytest
import torch
from torch import Tensor

from rewardgen_envs.ant.behaviour import STANDING, Behaviour
from rewardgen_envs.ant.lie_down import LieDown
from rewardgen_envs.ant.spin import Spin
from rewardgen_envs.ant.wave_leg import WaveLeg
from rewardgen_envs.draw import Draw
from rewardgen_envs.features import FeatureView
from rewardgen_envs.hopper.back_flip import BackFlip
from rewardgen_envs.hopper.flip import LANDED_STEPS, Flip
from rewardgen_envs.hopper.front_flip import FrontFlip
from rewardgen_envs.hopper.hopper import squat
from rewardgen_envs.hopper.stand import Stand
from rewardgen_envs.simulation import Simulation, Step
from rewardgen_envs.task import BoxAction, Initial, Task

torch.set_num_threads(1)
TURN = 2.0 * math.pi
FLIPS: dict[type[Flip], float] = {BackFlip: -1.0, FrontFlip: 1.0}  # and the sign of their pitch


def made(task: Task, **values: float | list[float]) -> FeatureView:
    """Return one state with the features given, all others 0."""
    row = torch.zeros(1, task.table.width)
    for name, value in values.items():
        row[:, task.table.columns(name)] = torch.tensor(value, dtype=torch.float32)
    return task.table.view(row)


def fitness_of(task: Task, **values: float | list[float]) -> float:
    return float(task.fitness(made(task, **values))[task.metric.name])


def play(
    task: Task, act: Callable[[FeatureView], Tensor], before: Callable[[Simulation, int], None]
) -> Step:
    """Play one world from seed 9000 until its first episode ends; return the last step."""
    simulation = Simulation(task, [9000], 1, threads=1)
    for number in range(task.episode_steps):
        before(simulation, number)
        step = simulation.step(act(task.table.view(simulation.state)))
        if bool(step.ended):
            return step
    raise AssertionError("the episode did not end")


def nothing(simulation: Simulation, number: int) -> None:
    del simulation, number


def idle(features: FeatureView) -> Tensor:
    return torch.zeros_like(features.last_action)


def best_of_flailing(task: Task) -> float:
    """Return the best fitness of 16 worlds in which random actions are held for half a second."""
    simulation = Simulation(task, [9000], 16, threads=1)
    generator = torch.Generator().manual_seed(0)
    held = round(0.5 / task.control_dt_s)
    best = -math.inf
    assert isinstance(task.action, BoxAction)
    action = torch.zeros(16, task.action.size)
    for number in range(task.episode_steps):
        if number % held == 0:
            action = 2.0 * torch.rand(action.shape, generator=generator) - 1.0
        step = simulation.step(action)
        if bool(step.ended.any()):
            best = max(best, float(step.fitness[task.metric.name][step.ended].max()))
    return best


def result(step: Step, task: Task) -> float:
    return float(step.fitness[task.metric.name][0])


def write(simulation: Simulation, qpos: Tensor) -> None:
    """Place all worlds, at rest."""
    simulation.engine.write("qpos", qpos.double().expand(simulation.nworld, -1), None)
    still = torch.zeros(simulation.nworld, simulation.task.model.nv, dtype=torch.float64)
    simulation.engine.write("qvel", still, None)


# ---- hopper: flips


@pytest.mark.parametrize("kind", FLIPS)
def test_a_flip_says_which_way_it_turns(kind: type[Flip]) -> None:
    task = kind()
    assert task.turning.sign == FLIPS[kind]
    word = task.turning.word
    other = {"backward": "forward", "forward": "backward"}[word]
    texts = [task.description, task.metric.description, task.table["landed_flips"].description]
    texts.append(task.table[f"{word}_rotation"].description)
    assert all(word in text.lower() and other not in text.lower() for text in texts)


def test_the_features_of_the_back_flip_are_those_of_its_first_version() -> None:
    """Stored scores, policies and rewards hang on names and order."""
    names = "torso_x torso_height torso_pitch joint_angles torso_velocity_x torso_velocity_z "
    names += "torso_pitch_rate joint_velocities forward_velocity foot_height backward_rotation "
    names += "torso_up torso_lean torso_clearance standing standing_steps torso_down terminated "
    names += "episode_time_s last_action previous_torso_x landed_flips"
    task = BackFlip()
    assert task.table.names == tuple(names.split())
    assert task.table["backward_rotation"].description == (
        "How far the torso has turned backwards since the start; 2 pi is one full turn."
    )
    assert task.metric.description == "Number of backward turns that the robot landed."


@pytest.mark.parametrize("kind", FLIPS)
@pytest.mark.parametrize(("turns", "flips"), [(0, 0), (1, 1), (2, 2), (-1, 0), (0.5, 0)])
def test_turns_count_one_way_once_the_robot_stood(
    kind: type[Flip], turns: float, flips: float
) -> None:
    class Turned(kind):
        def reset(self, mask: Tensor, draw: Draw) -> Initial:
            qpos = torch.zeros(len(mask), 6, dtype=torch.float64)
            qpos[:, 1], qpos[:, 2] = 1.25, FLIPS[kind] * turns * TURN
            return Initial(qpos=qpos, qvel=torch.zeros_like(qpos))

    task = Turned()
    simulation = Simulation(task, [0], 1, threads=1)
    counted = [0.0]
    paid = 0.0
    for _ in range(LANDED_STEPS + 10):
        state = task.table.view(simulation.state)
        step = simulation.step(torch.zeros(1, 3))
        after = task.table.view(step.next_state)
        counted.append(float(after.landed_flips))
        paid += float(task.sparse_reward(state, torch.zeros(1, 3), after))
    assert counted[LANDED_STEPS - 1] == 0.0
    assert counted[-1] == paid == flips
    rotation = float(getattr(after, f"{task.turning.word}_rotation"))
    assert rotation == pytest.approx(turns * TURN, abs=0.5)


# ---- hopper: stand

UPRIGHT_HOPPER = {"torso_height": 1.21}


@pytest.mark.parametrize(
    ("changed", "stands"),
    [
        ({}, 1.0),
        ({"torso_height": 1.1}, 0.0),
        ({"foot_height": 0.05}, 0.0),
        ({"torso_pitch": 0.25}, 0.0),
        ({"torso_pitch": -0.25}, 0.0),
        ({"torso_x": -0.35}, 0.0),
        ({"torso_x": 0.25}, 1.0),
        ({"torso_velocity_x": 0.15, "torso_velocity_z": -0.15}, 0.0),
        ({"torso_velocity_x": -0.1, "torso_velocity_z": 0.1}, 1.0),
    ],
)
def test_the_hopper_stands_tall_upright_still_and_on_the_spot(
    changed: dict[str, float], stands: float
) -> None:
    assert fitness_of(Stand(), **(UPRIGHT_HOPPER | changed)) == stands


@pytest.mark.parametrize("bend", [0.0, 0.4, 0.7])
def test_a_squat_is_on_a_flat_foot_with_the_weight_above_it(bend: float) -> None:
    model = Stand().model
    data = mujoco.MjData(model)
    data.qpos[:] = squat(torch.tensor([bend], dtype=torch.float64))[0].numpy()
    mujoco.mj_forward(model, data)
    floor, foot = (
        mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_GEOM, name) for name in ("floor", "foot_geom")
    )
    assert mujoco.mj_geomDistance(model, data, floor, foot, 1.0, None) == pytest.approx(0, abs=1e-9)
    axis = data.geom_xmat[foot].reshape(3, 3)[:, 2]
    assert abs(axis[2]) < 1e-9
    ends = [data.geom_xpos[foot, 0] + side * 0.195 for side in (-1.0, 1.0)]
    assert ends[0] < data.subtree_com[1, 0] < ends[1]


def test_standing_all_the_time_is_a_success_and_falling_early_is_none() -> None:
    task = Stand()

    def held(until: int) -> Callable[[Simulation, int], None]:
        upright = squat(torch.zeros(1))

        def before(simulation: Simulation, number: int) -> None:
            if number < until:
                write(simulation, upright)

        return before

    whole = play(task, idle, held(task.episode_steps))
    assert bool(whole.truncated)
    assert result(whole, task) == pytest.approx(1.0, abs=0.01)

    # stands for 250 of 625 steps, then jumps and falls: at most some steps more count
    def stumble(features: FeatureView) -> Tensor:
        return torch.full_like(features.last_action, float(features.episode_time_s > 1.99))

    half = play(task, stumble, held(250))
    assert bool(half.terminated)
    assert 250 <= round(result(half, task) * task.episode_steps) < 300
    assert result(half, task) < task.metric.success
    assert result(play(task, idle, nothing), task) == 0.0
    assert best_of_flailing(task) < 0.05


# ---- ant

ANKLE_SIGNS = torch.tensor([1.0, -1.0, -1.0, 1.0])  # of a foot pressed down: FL, BL, BR, FR


def towards(angles: Tensor, features: FeatureView) -> Tensor:
    """Return the action of springs that pull all joints towards angles (8,)."""
    torque = 60.0 * (angles - features.joint_angles) - 12.0 * features.joint_velocities
    # the first two motors are those of the last leg
    return (torque / 150.0).roll(2, dims=1).clamp(-1.0, 1.0)


def on_three_legs(front_left_ankle: float) -> Tensor:
    """Return joint angles with the weight shifted from the front left leg."""
    angles = torch.zeros(4, 2)
    angles[:, 0] = torch.tensor([0.0, -0.4, 0.0, 0.4])
    angles[:, 1] = ANKLE_SIGNS * torch.tensor([front_left_ankle, 1.2, 0.6, 1.2])
    return angles.flatten()


def waving(hz: float) -> Callable[[FeatureView], Tensor]:
    def act(features: FeatureView) -> Tensor:
        phase = TURN * hz * float(features.episode_time_s)
        return towards(on_three_legs(0.85 + 0.35 * math.cos(phase)), features)

    return act


BALANCED = {"torso_up": 1.0, "foot_heights": [0.2, 0.02, 0.02, 0.02], "episode_time_s": 5.0}
RECENT = {"since_high_s": 0.5, "since_low_s": 0.2}


@pytest.mark.parametrize(
    ("changed", "waves"),
    [
        ({}, 1.0),
        ({"torso_up": 0.85}, 0.0),
        ({"foot_heights": [0.04, 0.02, 0.02, 0.02]}, 0.0),
        ({"foot_heights": [0.2, 0.02, 0.06, 0.02]}, 0.0),
        ({"since_high_s": 1.05}, 0.0),
        ({"since_low_s": 1.05}, 0.0),
        # since the start, in which it has been neither
        ({"since_high_s": 0.6, "since_low_s": 0.1, "episode_time_s": 0.6}, 0.0),
        ({"since_high_s": 0.5, "since_low_s": 0.1, "episode_time_s": 0.6}, 1.0),
    ],
)
def test_waving_is_up_and_down_on_three_legs(
    changed: dict[str, float | list[float]], waves: float
) -> None:
    assert fitness_of(WaveLeg(), **(BALANCED | RECENT | changed)) == waves


def test_an_ant_that_waves_succeeds_and_one_that_holds_its_leg_up_does_not() -> None:
    task = WaveLeg()
    success = task.metric.success
    assert success is not None
    assert result(play(task, waving(1.0), nothing), task) > success + 0.2
    assert result(play(task, lambda f: towards(on_three_legs(0.6), f), nothing), task) < 0.1
    trembling = play(task, waving(5.0), nothing)
    assert result(trembling, task) < 0.2
    assert best_of_flailing(task) < 0.1


LYING = {"torso_clearance": 0.02, "foot_heights": [0.02] * 4, "joint_velocities": [0.1] * 8}


@pytest.mark.parametrize(
    ("changed", "lies"),
    [
        ({}, 1.0),
        ({"torso_clearance": 0.1}, 0.0),
        ({"foot_heights": [0.02, 0.02, 0.1, 0.02]}, 0.0),
        ({"joint_velocities": [0.1, 0.1, 0.1, -0.6, 0.1, 0.1, 0.1, 0.1]}, 0.0),
    ],
)
def test_lying_is_belly_and_feet_down_and_still(
    changed: dict[str, float | list[float]], lies: float
) -> None:
    assert fitness_of(LieDown(), **(LYING | changed)) == lies


def test_stretching_the_legs_lies_down_and_idling_does_not() -> None:
    task = LieDown()
    success = task.metric.success
    assert success is not None
    lying = play(task, lambda f: towards(torch.zeros(8), f), nothing)
    assert bool(lying.truncated)  # the torso is as low as it gets
    assert result(lying, task) > success + 0.1
    assert result(play(task, idle, nothing), task) == 0.0
    assert best_of_flailing(task) < 0.3


@pytest.mark.parametrize("kind", [LieDown, Spin, WaveLeg])
def test_an_ant_that_turns_over_ends_the_episode(kind: type[Behaviour]) -> None:
    def tipped(simulation: Simulation, number: int) -> None:
        angle = 0.5 * 0.1 * number
        qpos = torch.tensor(STANDING)
        qpos[2], qpos[3], qpos[4] = 0.8, math.cos(angle), math.sin(angle)
        write(simulation, qpos)

    step = play(kind(), idle, tipped)
    view = kind().table.view(step.next_state)
    assert bool(step.terminated)
    assert float(view.overturned) == 1.0
    assert 0.1 < float(view.torso_up) < 0.3
    assert result(step, kind()) == pytest.approx(0.0, abs=0.05)


def test_only_the_ant_that_lies_down_can_stretch_its_ankles() -> None:
    usual, stretching = WaveLeg().model, LieDown().model
    degrees = [math.degrees(value) for value in stretching.jnt_range[2]]
    assert degrees == pytest.approx([17.0, 70.0])
    assert [math.degrees(value) for value in usual.jnt_range[2]] == pytest.approx([30.0, 70.0])
    assert WaveLeg().scene_sha256 == Spin().scene_sha256 != LieDown().scene_sha256


def standing_at(x: float, y: float, yaw: float) -> Tensor:
    qpos = torch.tensor(STANDING)
    qpos[0], qpos[1] = x, y
    qpos[3], qpos[6] = math.cos(0.5 * yaw), math.sin(0.5 * yaw)
    return qpos


def turned_by(step_rad: float, x: float = 0.0) -> float:
    """Return the fitness of an ant that is turned by hand, step by step."""

    def before(simulation: Simulation, number: int) -> None:
        write(simulation, standing_at(x, 0.0, step_rad * (number + 1)))

    return result(play(Spin(), idle, before), Spin())


def test_turns_to_the_left_near_the_start_count() -> None:
    assert turned_by(3.5 * TURN / 200) == pytest.approx(3.5, abs=0.05)
    assert turned_by(-2.0 * TURN / 200) == pytest.approx(-2.0, abs=0.05)
    assert turned_by(3.5 * TURN / 200, x=1.2) == pytest.approx(0.0, abs=0.05)


def test_turning_to_and_fro_or_flailing_is_no_spin() -> None:
    def before(simulation: Simulation, number: int) -> None:
        write(simulation, standing_at(0.0, 0.0, 0.5 if number % 2 else -0.5))

    task = Spin()
    assert abs(result(play(task, idle, before), task)) < 0.2
    assert best_of_flailing(task) < 0.5


@pytest.mark.parametrize(("up", "counts"), [(1.0, True), (0.7, False)])
def test_a_tilted_spin_does_not_count(up: float, counts: bool) -> None:
    rate = fitness_of(Spin(), turning_rate=TURN, torso_up=up)
    assert rate == pytest.approx(10.0 * counts)  # a turn a second for ten seconds


def test_what_the_ant_feels_does_not_depend_on_where_it_faces() -> None:
    task = Spin()
    simulation = Simulation(task, [0], 2, threads=1)
    qpos = torch.stack([standing_at(0.3, 0.4, 0.0), standing_at(-0.4, 0.3, 0.5 * math.pi)])
    turn = torch.tensor([[math.cos(0.1), math.sin(0.1), 0.0, 0.0]] * 2)
    qpos[0, 3:7] = turn[0]
    half = math.sqrt(0.5)  # a quarter turn left, after the same roll
    qpos[1, 3:7] = half * torch.tensor([turn[1, 0], turn[1, 1], turn[1, 1], turn[1, 0]])
    write(simulation, qpos)
    qvel = torch.zeros(2, 14).double()
    qvel[0, :6] = torch.tensor([0.5, 0.2, 0.1, 0.3, 0.4, 0.5])
    qvel[1, :6] = torch.tensor([-0.2, 0.5, 0.1, 0.3, 0.4, 0.5])
    simulation.engine.write("qvel", qvel, None)
    simulation.step(torch.zeros(2, 8))
    felt = simulation.observation()
    torch.testing.assert_close(felt[0], felt[1], atol=1e-4, rtol=1e-4)
    assert float(felt[0].abs().max()) > 0.3


def test_foot_heights_and_belly_are_mujocos_distances_to_the_floor() -> None:
    task = WaveLeg()
    simulation = Simulation(task, [0], 8, threads=1)
    generator = torch.Generator().manual_seed(0)
    qpos = torch.tensor(STANDING).repeat(8, 1)
    qpos[:, 2] += 0.5
    qpos[:, 3:] += 0.3 * torch.randn(8, 12, generator=generator)
    qpos[:, 3:7] /= qpos[:, 3:7].norm(dim=1, keepdim=True)
    write(simulation, qpos)
    step = simulation.step(torch.zeros(8, 8))
    seen = task.table.view(step.next_state)
    shins = ("left_ankle_geom", "right_ankle_geom", "third_ankle_geom", "fourth_ankle_geom")
    ids = {
        name: mujoco.mj_name2id(task.model, mujoco.mjtObj.mjOBJ_GEOM, name)
        for name in ("floor", "torso_geom", *shins)
    }
    for world in (~step.ended).nonzero()[:, 0].tolist():
        data = simulation.engine.snapshot(world)
        found = [*seen.foot_heights[world].tolist(), float(seen.torso_clearance[world])]
        for value, geom in zip(found, (*shins, "torso_geom"), strict=True):
            distance = mujoco.mj_geomDistance(task.model, data, ids["floor"], ids[geom], 10.0, None)
            assert value == pytest.approx(distance, abs=1e-5)


def test_front_left_is_front_left() -> None:
    """The leg that has to wave stands ahead and to the left of a robot that faces along x."""
    task = WaveLeg()
    data = mujoco.MjData(task.model)
    data.qpos[:] = STANDING
    mujoco.mj_forward(task.model, data)
    geom = mujoco.mj_name2id(task.model, mujoco.mjtObj.mjOBJ_GEOM, "left_ankle_geom")
    assert data.geom_xpos[geom, 0] > 0.3
    assert data.geom_xpos[geom, 1] > 0.3
