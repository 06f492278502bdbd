"""Running to a far target: what the features mean, what counts, and the original's figures."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from rewardgen.rewards.inline import InlineReward
from rewardgen.rewards.transitions import Transitions
from rewardgen_envs.ant.isaac_run import IsaacRun as Ant
from rewardgen_envs.draw import Draw
from rewardgen_envs.features import FeatureView
from rewardgen_envs.humanoid.isaac_run import IsaacRun as Humanoid
from rewardgen_envs.quantities import Quantities
from rewardgen_envs.simulation import Simulation
from rewardgen_envs.task import BoxAction, Task

torch.set_num_threads(1)
TASKS: dict[type[Task], tuple[float, float]] = {Ant: (0.44, 0.31), Humanoid: (1.34, 0.8)}


def placed(task: Task, *roots: list[float]) -> Simulation:
    """Return one world per root, (x, y, z, w, x, y, z), all joints as they start."""
    simulation = Simulation(task, [0], len(roots), threads=1)
    qpos = simulation.engine.field("qpos").clone()
    qpos[:, :7] = torch.tensor(roots, dtype=torch.float64)
    simulation.engine.write("qpos", qpos, None)
    return simulation


def seen(simulation: Simulation) -> FeatureView:
    """Step without moving anything but by gravity; return the features."""
    assert isinstance(simulation.task.action, BoxAction)
    still = torch.zeros_like(simulation.engine.field("qvel"))
    simulation.engine.write("qvel", still, None)
    step = simulation.step(torch.zeros(simulation.nworld, simulation.task.action.size))
    return simulation.task.table.view(step.next_state)


def derived(task: Task, before: Tensor, after: Tensor, angles: Tensor) -> dict[str, Tensor]:
    """Return what follows from positions, (R, 3), of robots that face along x."""
    known = {"torso_position": after, "joint_angles": angles, "center_of_mass": after}
    known |= {"previous_torso_position": before, "previous_center_of_mass": before}
    known["torso_quaternion"] = torch.tensor([[1.0, 0.0, 0.0, 0.0]] * len(after)).to(after)
    return task.derive(Quantities(known))


def turned_left(angle: float) -> list[float]:
    return [math.cos(0.5 * angle), 0.0, 0.0, math.sin(0.5 * angle)]


@pytest.mark.parametrize("kind", TASKS)
def test_control_and_length_are_the_originals(kind: type[Task]) -> None:
    task = kind()
    assert task.control_dt_s == pytest.approx(1.0 / 60.0)
    assert task.episode_steps == 1000
    assert task.table["target_facing"].unit == "1"


def test_the_ant_observes_as_many_numbers_as_the_original() -> None:
    assert Ant().observation_size == 60


@pytest.mark.parametrize("kind", TASKS)
def test_distance_and_direction_of_the_target(kind: type[Task]) -> None:
    half = math.sqrt(0.5)
    lifted = 5.0
    features = seen(
        placed(
            kind(),
            [0.0, 0.0, lifted, *turned_left(0.0)],
            [400.0, 800.0, lifted, *turned_left(0.0)],
            [0.0, 0.0, lifted, *turned_left(0.5)],
            [0.0, 0.0, lifted, *turned_left(math.pi - 0.1)],
            [0.0, 0.0, lifted, half, 0.0, -half, 0.0],  # on its back: looks straight up
        )
    )
    assert features.target_distance.tolist() == pytest.approx([1000, 1000, 1000, 1000, 1000])
    right = math.atan2(-800.0, 600.0)
    angles = [0.0, right, -0.5, 0.1 - math.pi]
    assert features.target_angle[:4].tolist() == pytest.approx(angles, abs=0.02)
    facing = [1.0, 0.6, math.cos(0.5), -math.cos(0.1), 0.0]
    assert features.target_facing.tolist() == pytest.approx(facing, abs=0.02)
    assert features.torso_up.tolist() == pytest.approx([1.0, 1.0, 1.0, 1.0, 0.0], abs=0.02)


@pytest.mark.parametrize(
    ("start", "end", "gained"),
    [
        ([0.0, 0.0], [0.05, 0.0], 0.05),
        ([0.0, 0.0], [-0.02, 0.0], -0.02),
        ([0.0, 0.0], [0.0, 0.05], 0.0),  # sideways: 1.2 micrometres farther
        ([1000.0, 300.0], [1000.0, 299.9], 0.1),  # beside the target, towards it
        ([1200.0, 0.0], [1200.1, 0.0], -0.1),  # past it
        ([400.0, 800.0], [400.03, 799.96], 0.05),  # along the diagonal
    ],
)
def test_progress_is_the_distance_gained(
    start: list[float], end: list[float], gained: float
) -> None:
    task = Ant()
    simulation = placed(task, [*start, 5.0, *turned_left(0.0)])
    seen(simulation)  # now `start` is where it was one step ago, but for a little drift
    before = simulation.engine.field("qpos")[0, :2].tolist()
    qpos = simulation.engine.field("qpos").clone()
    qpos[:, :2] += torch.tensor(end) - torch.tensor(start)
    simulation.engine.write("qpos", qpos, None)
    progress = float(seen(simulation).progress)
    after = simulation.engine.field("qpos")[0, :2].tolist()
    drift = math.dist(after, [b + e - s for b, e, s in zip(before, end, start, strict=True)])
    assert drift < 1e-3
    assert progress / 60.0 == pytest.approx(gained, abs=1e-3)
    exact = math.dist(before, [1000.0, 0.0]) - math.dist(after, [1000.0, 0.0])
    assert progress / 60.0 == pytest.approx(exact, abs=1e-6)


def test_progress_is_exact_where_float32_distances_are_not() -> None:
    """At 1000 m neighbouring float32 numbers are 61 micrometres apart: 4 mm/s at 60 Hz."""
    here = torch.zeros(2, 3)
    after = here + torch.tensor([[1e-5, 0.0, 0.0], [-2e-5, 3e-3, 0.0]])
    progress = derived(Ant(), here, after, torch.zeros(2, 8))["progress"]
    assert progress.dtype == torch.float32
    assert progress.tolist() == pytest.approx([6e-4, -1.2e-3], rel=1e-3)


@pytest.mark.parametrize("kind", TASKS)
def test_fitness_is_the_distance_gained_within_the_episode(kind: type[Task]) -> None:
    """Whatever the robot does, and also if it falls: what it gained until then."""
    task = kind()
    simulation = Simulation(task, [9000], 8, threads=1)
    generator = torch.Generator().manual_seed(0)
    assert isinstance(task.action, BoxAction)
    start = task.table.view(simulation.state).target_distance.clone()
    fallen = 0
    for _ in range(200):
        action = 2.0 * torch.rand(8, task.action.size, generator=generator) - 1.0
        step = simulation.step(action)
        first = step.terminated & (simulation.episode == 1)
        for world in first.nonzero()[:, 0].tolist():
            end = task.table.view(step.next_state).target_distance[world]
            gained = float(start[world] - end)
            found = float(step.fitness["distance_gained"][world])
            assert found == pytest.approx(gained, abs=5e-4)
            assert abs(found) < 0.2 * (task.metric.success or 0.0)
            fallen += 1
    assert fallen >= 1


@pytest.mark.parametrize("kind", TASKS)
def test_the_robot_starts_upright_within_its_joints(kind: type[Task]) -> None:
    task = kind()
    world = torch.arange(500)
    draw = Draw(torch.zeros_like(world), world, torch.zeros_like(world))
    start = task.reset(torch.ones(500, dtype=torch.bool), draw)
    low, high = torch.as_tensor(task.model.jnt_range[1:].copy()).unbind(1)
    joints = start.qpos[:, 7:]
    assert bool(((joints >= low) & (joints <= high)).all())
    home = torch.zeros_like(low).clamp(low, high)
    assert float((joints - home).abs().max()) <= 0.2
    assert float((joints - home).abs().max()) > 0.19
    assert start.qpos[0, :7].tolist() == [0.0, 0.0, TASKS[kind][0], 1.0, 0.0, 0.0, 0.0]
    assert not bool(start.qvel[:, :6].any())
    assert 0.09 < float(start.qvel.abs().max()) <= 0.1


@pytest.mark.parametrize("kind", TASKS)
def test_joint_positions_are_shares_of_their_range(kind: type[Task]) -> None:
    task = kind()
    limits = torch.as_tensor(task.model.jnt_range[1:].copy())
    low, high = limits.unbind(1)
    angles = torch.stack([low, high, 0.5 * (low + high), low + 0.75 * (high - low)])
    found = derived(task, torch.zeros(4, 3).double(), torch.zeros(4, 3).double(), angles)
    for row, share in zip(found["joint_positions"], (-1.0, 1.0, 0.0, 0.5), strict=True):
        torch.testing.assert_close(row, torch.full_like(row, share))


@pytest.mark.parametrize("kind", TASKS)
def test_a_low_torso_ends_the_episode(kind: type[Task]) -> None:
    task, (_, fallen) = kind(), TASKS[kind]
    row = torch.zeros(2, task.table.width)
    row[:, task.table.columns("torso_position").start + 2] = torch.tensor([0.99, 1.01]) * fallen
    assert task.terminations(task.table.view(row))["fallen"].tolist() == [True, False]


def test_an_idle_ant_stays_on_its_feet() -> None:
    task = Ant()
    simulation = Simulation(task, [0], 4, threads=1)
    for _ in range(300):
        assert not bool(simulation.step(torch.zeros(4, 8)).ended.any())


MADE = {"progress": 1.2, "target_facing": 0.6, "torso_up": 0.95, "terminated": 0.0}
# terms of the originals' rewards on that state, all actions 0.5, all joints 2 rad/s, one at a limit
REWARDS = {
    Ant: 1.2 + 0.5 * 0.6 / 0.8 + 0.1 + 0.5 - 8 * 0.05 * 0.5 * 0.4 - 8 * 0.005 * 0.25 - 0.1,
    Humanoid: 1.2 + 0.5 * 0.6 / 0.8 + 0.1 + 2.0 - 17 * 0.05 * 0.5 * 0.2 - 17 * 0.01 * 0.25 - 0.25,
}


@pytest.mark.parametrize(("kind", "expected"), REWARDS.items())
def test_the_human_reward_is_the_originals(kind: type[Task], expected: float) -> None:
    task = kind()
    assert isinstance(task.action, BoxAction)
    size = task.action.size
    rows = torch.zeros(3, task.table.width)
    made = MADE | {"joint_velocities": [2.0] * size, "joint_positions": [1.0] + [0.0] * (size - 1)}
    for name, value in made.items():
        rows[:, task.table.columns(name)] = torch.tensor(value)
    rows[1, task.table.columns("target_facing")] = 0.95  # from 0.8 on all is paid
    rows[2, task.table.columns("terminated")] = 1.0
    rows = rows[:, : task.table.public_width]
    source = InlineReward.from_file(task.human_reward, task.table)
    reward = source.evaluate(Transitions(rows, torch.full((3, size), 0.5), rows)).reward
    death = {Ant: -2.0, Humanoid: -1.0}[kind]
    assert reward.tolist() == pytest.approx([expected, expected + 0.125, death], abs=1e-5)


@pytest.mark.parametrize("kind", TASKS)
def test_power_is_of_the_motor_that_moves_the_joint(kind: type[Task]) -> None:
    """The order of the motors is not that of the joints."""
    task = kind()
    assert isinstance(task.action, BoxAction)
    size, velocities = task.action.size, task.table.columns("joint_velocities")
    rows = torch.zeros(size, task.table.width)
    action = torch.eye(size)
    for motor in range(size):
        joint = int(task.model.actuator_trnid[motor, 0]) - 1
        rows[motor, velocities.start + joint] = 10.0
    source = InlineReward.from_file(task.human_reward, task.table)
    still = torch.zeros(size, task.table.public_width)
    moving = rows[:, : task.table.public_width]
    spent = source.evaluate(Transitions(still, action, still)).reward
    spent = spent - source.evaluate(Transitions(still, action, moving)).reward
    scale = {Ant: 0.2, Humanoid: 0.1}[kind]
    assert spent.tolist() == pytest.approx([0.05 * 10.0 * scale] * size, abs=1e-5)
