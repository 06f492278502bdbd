"""What features and fitness of the locomotion tasks mean, on states made for it."""

from __future__ import annotations

import math

import mujoco
import pytest
import torch
from torch import Tensor

from rewardgen_envs.ant.goal import GOALS, REACH_M, WINDOW_S, Goal
from rewardgen_envs.draw import Draw
from rewardgen_envs.features import FeatureView
from rewardgen_envs.hopper.back_flip import BackFlip
from rewardgen_envs.hopper.flip import LANDED_STEPS
from rewardgen_envs.humanoid.stand import Stand
from rewardgen_envs.registry import load_task
from rewardgen_envs.simulation import Simulation, Step
from rewardgen_envs.task import BoxAction, Initial

torch.set_num_threads(1)
TURN = 2.0 * math.pi
STANDING_ANT = [0.0, 0.0, 0.75, 1.0, 0.0, 0.0, 0.0, *[0.0, 1.0, 0.0, -1.0, 0.0, -1.0, 0.0, 1.0]]


def view(simulation: Simulation, step: Step | None = None) -> FeatureView:
    return simulation.task.table.view(simulation.state if step is None else step.next_state)


def idle(simulation: Simulation) -> Step:
    action = simulation.task.action
    assert isinstance(action, BoxAction)
    return simulation.step(torch.zeros(simulation.nworld, action.size))


# ---- geometry


@pytest.mark.parametrize(
    ("name", "feature", "geoms"),
    [
        ("hopper/back-flip", "foot_height", ["foot_geom"]),
        ("hopper/back-flip", "torso_clearance", ["torso_geom"]),
        ("half-cheetah/run", "foot_heights", ["bfoot", "ffoot"]),
    ],
)
def test_lowest_point_is_mujocos_distance_to_the_floor(
    name: str, feature: str, geoms: list[str]
) -> None:
    task = load_task(name)
    simulation = Simulation(task, [0], 8, threads=1)
    qpos = simulation.engine.field("qpos").clone()
    generator = torch.Generator().manual_seed(0)
    qpos[:, 1] += 1.0
    qpos[:, 2:] += torch.randn(8, qpos.shape[1] - 2, generator=generator)
    simulation.engine.write("qpos", qpos, None)
    assert not bool(idle(simulation).ended.any())
    found = getattr(view(simulation), feature).reshape(8, -1)
    floor = mujoco.mj_name2id(task.model, mujoco.mjtObj.mjOBJ_GEOM, "floor")
    for world in range(8):
        data = simulation.engine.snapshot(world)
        for column, geom_name in enumerate(geoms):
            geom = mujoco.mj_name2id(task.model, mujoco.mjtObj.mjOBJ_GEOM, geom_name)
            distance = mujoco.mj_geomDistance(task.model, data, floor, geom, 10.0, None)
            assert float(found[world, column]) == pytest.approx(distance, abs=1e-5)


# ---- ant


class PlacedAnt(Goal):
    """Ants that start where the test says, all with the same goals."""

    qpos = torch.tensor([STANDING_ANT], dtype=torch.float64)
    goals = torch.tensor([[2.0, 0.0], [0.0, 1.0], [1.0, 1.0], [-1.0, 0.0], [0.0, -2.0]])

    def reset(self, mask: Tensor, draw: Draw) -> Initial:
        rows = len(mask)
        return Initial(
            qpos=self.qpos.expand(rows, -1),
            qvel=torch.zeros(rows, 14, dtype=torch.float64),
            variables={"goals": self.goals.double().expand(rows, -1, -1)},
        )


def place(simulation: Simulation, x: float, y: float) -> None:
    """Put all ants somewhere else, at rest on their feet."""
    qpos = torch.tensor([STANDING_ANT], dtype=torch.float64).repeat(simulation.nworld, 1)
    qpos[:, :3] = torch.tensor([x, y, 0.55])
    simulation.engine.write("qpos", qpos, None)
    simulation.engine.write("qvel", torch.zeros(simulation.nworld, 14).double(), None)


@pytest.mark.parametrize("yaw", [0.0, 0.5 * math.pi, -2.0])
@pytest.mark.parametrize("scale", [1.0, 1.3])
def test_goal_is_seen_from_the_torsos_heading(yaw: float, scale: float) -> None:
    class Turned(PlacedAnt):
        qpos = PlacedAnt.qpos.clone()

    # a reset's quaternion is not normalized
    Turned.qpos[0, 3] = scale * math.cos(yaw / 2.0)
    Turned.qpos[0, 6] = scale * math.sin(yaw / 2.0)
    seen = view(Simulation(Turned(), [0], 1, threads=1))
    ahead, left = 2.0 * math.cos(yaw), -2.0 * math.sin(yaw)
    torch.testing.assert_close(seen.goal_vector[0], torch.tensor([ahead, left]))
    assert float(seen.goal_distance) == pytest.approx(2.0)
    assert float(seen.heading_error) == pytest.approx(math.remainder(-yaw, TURN), abs=1e-6)
    assert float(seen.torso_up) == pytest.approx(1.0)


def test_goals_take_turns_by_time() -> None:
    simulation = Simulation(PlacedAnt(), [0], 1, threads=1)
    steps = round(WINDOW_S / simulation.task.control_dt_s)
    assert steps == 100
    for number in range(1, GOALS * steps):
        step = idle(simulation)
        seen = view(simulation, step)
        window = number // steps
        assert torch.equal(seen.goal_position[0], PlacedAnt.goals[window]), number
        left = WINDOW_S - (number % steps) * simulation.task.control_dt_s
        assert float(seen.goal_time_left_s) == pytest.approx(left, abs=1e-4)
    assert bool(idle(simulation).truncated)


def test_only_the_active_goal_counts_and_only_once() -> None:
    simulation = Simulation(PlacedAnt(), [0], 1, threads=1)
    task, paid = simulation.task, []
    # at the second goal while the first is active: nothing; then at the first, twice
    for x, y in [(0.0, 1.0), (2.0, REACH_M - 0.1), (2.0, 0.0), (0.0, 0.0)]:
        place(simulation, x, y)
        before = view(simulation)
        step = idle(simulation)
        paid.append(float(task.sparse_reward(before, step.state, view(simulation, step))))
    assert paid == [0.0, 1.0, 0.0, 0.0]
    assert view(simulation, step).goals_reached.tolist() == [[1.0, 0.0, 0.0, 0.0, 0.0]]
    assert float(task.fitness(view(simulation, step))["goals_in_time"]) == pytest.approx(0.2)


def test_fitness_is_the_share_of_goals_reached_in_their_windows() -> None:
    simulation = Simulation(PlacedAnt(), [0], 1, threads=1)
    for number in range(1, GOALS * 100 + 1):
        if number % 100 == 50 and number // 100 in (0, 2, 4):
            place(simulation, *PlacedAnt.goals[number // 100].tolist())
        if number % 100 == 60:
            place(simulation, 5.0, 5.0)
        step = idle(simulation)
    assert bool(step.truncated)
    assert float(step.fitness["goals_in_time"]) == pytest.approx(0.6)


def test_approach_is_the_distance_gained() -> None:
    simulation = Simulation(load_task("ant/goal"), [0], 8, threads=1)
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        before = view(simulation)
        step = simulation.step(2.0 * torch.rand(8, 8, generator=generator) - 1.0)
        after = view(simulation, step)
        gained = (before.goal_distance - after.goal_distance) / simulation.task.control_dt_s
        torch.testing.assert_close(after.approach_velocity, gained, rtol=1e-3, atol=1e-4)


def test_a_new_goal_is_no_approach() -> None:
    """When the active goal changes, the jump of the distance is no velocity."""
    simulation = Simulation(PlacedAnt(), [0], 1, threads=1)
    fastest = 0.0
    for _ in range(250):
        fastest = max(fastest, float(view(simulation, idle(simulation)).approach_velocity.abs()))
    assert fastest < 3.0


def test_goals_lie_in_the_ring_evenly() -> None:
    task, world = load_task("ant/goal"), torch.arange(4000)
    draw = Draw(torch.zeros_like(world), world, torch.zeros_like(world))
    goals = task.reset(torch.ones(4000, dtype=torch.bool), draw).variables["goals"]
    distance = torch.hypot(goals[..., 0], goals[..., 1])
    assert float(distance.min()) >= 1.0
    assert float(distance.max()) <= 2.5
    inner = float((distance < math.sqrt((1.0 + 2.5**2) / 2.0)).double().mean())
    assert inner == pytest.approx(0.5, abs=0.02)
    assert bool((goals.mean((0, 1)).abs() < 0.05).all())


# ---- hopper


def turned(pitch: float) -> Simulation:
    """A hopper that stands upright after turning by ``pitch`` in all."""

    class Turned(BackFlip):
        def reset(self, mask: Tensor, draw: Draw) -> Initial:
            qpos = torch.tensor([[0.0, 1.25, pitch, 0.0, 0.0, 0.0]], dtype=torch.float64)
            return Initial(
                qpos=qpos.repeat(len(mask), 1),
                qvel=torch.zeros(len(mask), 6, dtype=torch.float64),
            )

    return Simulation(Turned(), [0], 1, threads=1)


@pytest.mark.parametrize(
    ("turns", "flips"), [(0.0, 0.0), (-1.0, 1.0), (-2.0, 2.0), (1.0, 0.0), (-0.95, 1.0)]
)
def test_a_flip_counts_once_the_robot_stood_after_it(turns: float, flips: float) -> None:
    simulation = turned(turns * TURN)
    counted = [float(view(simulation, idle(simulation)).landed_flips) for _ in range(40)]
    assert counted[: LANDED_STEPS - 1] == [0.0] * (LANDED_STEPS - 1)
    assert counted[-1] == flips
    seen = view(simulation)
    assert float(seen.backward_rotation) == pytest.approx(-turns * TURN, abs=0.5)


def test_a_flip_pays_once() -> None:
    simulation = turned(-TURN)
    paid = 0.0
    for _ in range(40):
        before = view(simulation)
        step = idle(simulation)
        after = view(simulation, step)
        paid += float(simulation.task.sparse_reward(before, step.state, after))
    assert paid == 1.0


def test_half_a_turn_or_a_passing_touch_is_no_flip() -> None:
    upside_down = turned(-0.5 * TURN)
    assert float(view(upside_down, idle(upside_down)).standing) == 0.0
    passing = turned(-TURN)
    for number in range(60):
        if number % (LANDED_STEPS - 5) == 0:  # lifted off before it has stood long enough
            qpos = passing.engine.field("qpos").clone()
            qpos[:, 1] = 1.5
            passing.engine.write("qpos", qpos, None)
        step = idle(passing)
    assert float(view(passing, step).landed_flips) == 0.0


def test_a_fall_ends_the_flip_and_keeps_what_was_landed() -> None:
    simulation = turned(-TURN)
    for _ in range(40):
        idle(simulation)
    qpos = simulation.engine.field("qpos").clone()
    qpos[:, 1:3] = torch.tensor([0.1, -1.2 * TURN])
    simulation.engine.write("qpos", qpos, None)
    step = idle(simulation)
    assert bool(step.terminated)
    assert float(view(simulation, step).torso_down) == 1.0
    assert float(step.fitness["landed_flips"]) == 1.0


# ---- humanoid


class PlacedHumanoid(Stand):
    """One humanoid that stands, one that lies above the floor, one that moves along y."""

    def reset(self, mask: Tensor, draw: Draw) -> Initial:
        qpos = torch.zeros(3, 24, dtype=torch.float64)
        qpos[:, 2:4] = torch.tensor([1.4, 1.0])
        qpos[1, 3:5] = math.sqrt(0.5)
        qvel = torch.zeros(3, 23, dtype=torch.float64)
        qvel[2, 1] = 0.5
        return Initial(qpos=qpos, qvel=qvel)


def test_standing_is_upright_and_still() -> None:
    simulation = Simulation(PlacedHumanoid(), [0], 3, threads=1)
    step = idle(simulation)
    seen = view(simulation, step)
    assert seen.sideways_velocity.tolist() == pytest.approx([0.0, 0.0, 0.5], abs=0.02)
    assert seen.torso_up.tolist() == pytest.approx([1.0, 0.0, 1.0], abs=1e-3)
    assert simulation.task.fitness(seen)["standing"].tolist() == [1.0, 0.0, 0.0]
    assert seen.fallen.tolist() == [0.0, 0.0, 0.0]
