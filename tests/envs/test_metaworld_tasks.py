"""The MetaWorld tasks by themselves: how they are moved, and that simple controllers solve them."""

from __future__ import annotations

from collections.abc import Callable

import mujoco
import numpy as np
import pytest
import torch
from torch import Tensor

from rewardgen_envs.features import FeatureView
from rewardgen_envs.metaworld.drawer_open import DrawerOpen
from rewardgen_envs.metaworld.sawyer import Sawyer
from rewardgen_envs.metaworld.sweep_into import HOLE_M, NEAREST_TO_HOLE_M
from rewardgen_envs.registry import load_task, task_names
from rewardgen_envs.simulation import Simulation

torch.set_num_threads(1)
TASKS = tuple(name for name in task_names() if name.startswith("metaworld/"))
OPEN, CLOSED = -1.0, 1.0


def load(name: str) -> Sawyer:
    found = load_task(f"metaworld/{name}")
    assert isinstance(found, Sawyer)
    return found


def toward(features: FeatureView, fingertips: Tensor, fingers: float) -> Tensor:
    """Pull the hand so that the fingertips come to a point."""
    hand = features.hand_position + fingertips - features.fingertips
    moves = ((hand - features.hand_target) / 0.01).clamp(-1.0, 1.0)
    return torch.cat([moves, torch.full_like(moves[:, :1], fingers)], dim=1)


def offset(x: float, y: float, z: float) -> Tensor:
    return torch.tensor([x, y, z])


def beside(features: FeatureView) -> Tensor:
    """Return whether the fingertips are right above or below the handle."""
    return (features.handle_position - features.fingertips)[:, :2].norm(dim=1, keepdim=True) < 0.02


def push_in(features: FeatureView) -> Tensor:
    """Press the button: come in front of it, then go through it."""
    away = features.handle_position - features.fingertips
    aligned = away[:, ::2].norm(dim=1, keepdim=True) < 0.02
    go = torch.where(aligned, offset(0.0, 0.2, 0.0), offset(0.0, -0.1, 0.0))
    return toward(features, features.handle_position + go, CLOSED)


def pull_out(features: FeatureView) -> Tensor:
    """Open the drawer: over the handle, down to it, back."""
    handle = features.handle_position
    low = (handle - features.fingertips)[:, 2:].abs() < 0.02
    go = torch.where(low, offset(0.0, -0.15, 0.0), offset(0.0, 0.0, 0.0))
    go = torch.where(beside(features) | low, go, offset(0.0, 0.0, 0.12))
    return toward(features, handle + go, OPEN)


def slide_right(features: FeatureView) -> Tensor:
    """Open the window: in front of the handle's left side, beside it, to the right."""
    away = features.handle_position - features.fingertips
    level = (away[:, ::2].norm(dim=1) < 0.03).unsqueeze(1)
    behind = (away[:, 1:].norm(dim=1) < 0.03).unsqueeze(1)
    go = torch.where(level, offset(0.0, 0.0, 0.0), offset(0.0, -0.12, 0.0))
    # hardly further than the window opens, lest the hand slips past the handle
    left = 0.22 - features.joint_position.unsqueeze(1)
    go = torch.where(behind, offset(1.0, 0.0, 0.0) * left, go)
    return toward(features, features.handle_position + go, CLOSED)


@pytest.mark.parametrize(
    ("name", "controller"),
    [("button-press", push_in), ("drawer-open", pull_out), ("window-open", slide_right)],
)
def test_a_simple_controller_succeeds_and_holds(
    name: str, controller: Callable[[FeatureView], Tensor]
) -> None:
    task = load(name)
    simulation = Simulation(task, [0], 16, threads=1)
    for _ in range(task.episode_steps):
        step = simulation.step(controller(task.table.view(simulation.state)))
    assert bool(step.truncated.all())
    assert float(step.fitness[task.metric.name].min()) >= (task.metric.success or 1.0)
    reached, held = step.fitness[task.metrics[1].name], step.fitness[task.metric.name]
    assert reached.tolist() == [1.0] * 16
    assert float(held.max()) < 0.9, "it succeeds before the hand is there"


@pytest.mark.parametrize("name", TASKS)
def test_idling_does_not_succeed(name: str) -> None:
    task = load(name.removeprefix("metaworld/"))
    simulation = Simulation(task, [0], 8, threads=1)
    for _ in range(40):
        step = simulation.step(torch.zeros(8, 4))
    for value in task.fitness(task.table.view(step.next_state)).values():
        assert not bool(value.any())


def test_the_action_moves_what_pulls_the_hand_by_a_centimetre_within_its_limits() -> None:
    task = DrawerOpen()
    simulation = Simulation(task, [0], 2, threads=1)
    start = task.table.view(simulation.state).hand_target[0]
    torch.testing.assert_close(start, torch.tensor([0.0, 0.6, 0.2]))
    action = torch.tensor([[1.0, -0.5, 0.25, 0.0], [0.0, 0.0, -1.0, 0.0]])
    view = task.table.view(simulation.step(action).next_state)
    torch.testing.assert_close(view.hand_target[0], start + torch.tensor([0.01, -0.005, 0.0025]))
    for _ in range(30):
        view = task.table.view(simulation.step(action).next_state)
    assert float(view.hand_target[1, 2]) == pytest.approx(0.05)
    # 4.9 mm is what the soft weld lets the arm sag
    assert abs(float(view.hand_position[1, 2]) - 0.05) < 0.01


def test_the_fingers_close_and_open() -> None:
    task = DrawerOpen()
    simulation = Simulation(task, [0], 2, threads=1)
    closing = torch.tensor([[0.0, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, -1.0]])
    for action, expected in ((closing, (0.3, 1.0)), (-closing, (1.0, 0.3))):
        for _ in range(80):
            view = task.table.view(simulation.step(action).next_state)
        torch.testing.assert_close(
            view.gripper_opening, torch.tensor(expected), atol=0.02, rtol=0.0
        )


def test_features_follow_from_the_scene() -> None:
    """Against the distances and velocities of a copy of the world."""
    task = DrawerOpen()
    simulation = Simulation(task, [3], 2, threads=1)
    before = task.table.view(simulation.state).hand_position[1]
    action = torch.tensor([[0.0, 0.0, 0.0, 0.0], [1.0, 1.0, -1.0, 1.0]])
    view = task.table.view(simulation.step(action).next_state)
    data = simulation.engine.snapshot(1)
    tips = 0.5 * (data.site("leftEndEffector").xpos + data.site("rightEndEffector").xpos)
    handle = data.body("drawer_link").xpos + np.array([0.0, -0.16, 0.0])
    goal = data.body("drawer").xpos + np.array([0.0, -0.36, 0.09])
    expected = {
        "hand_position": data.body("hand").xpos,
        "hand_velocity": (data.body("hand").xpos - before.numpy()) / 0.0125,
        "fingertips": tips,
        "handle_position": handle,
        "goal_position": goal,
        "goal_distance": np.linalg.norm(goal - handle),
        "reach_distance": np.linalg.norm(handle - tips),
        "joint_position": data.joint("goal_slidey").qpos[0],
        "joint_velocity": data.joint("goal_slidey").qvel[0],
    }
    for name, value in expected.items():
        given = getattr(view, name)[1].double().numpy()
        np.testing.assert_allclose(given, value, rtol=1e-5, atol=1e-5, err_msg=name)


def test_the_block_never_lies_too_near_to_the_hole() -> None:
    task = load("sweep-into")
    simulation = Simulation(task, [0], 2000, threads=1)
    block = task.table.view(simulation.state).block_position
    away = (block[:, :2] - torch.tensor(HOLE_M)).norm(dim=1)
    assert NEAREST_TO_HOLE_M - 1e-6 <= float(away.min()) < NEAREST_TO_HOLE_M + 0.01
    assert float(block[:, 1].max()) > 0.69
    simulation.close()


def test_at_most_three_tasks_share_a_scene_and_all_stay_small() -> None:
    scenes = [load_task(name).scene_sha256 for name in TASKS]
    assert len(TASKS) == 11
    # tasks on one file mark other handles and goals
    assert len(set(scenes)) >= 8
    files = [load(name.removeprefix("metaworld/")).scene_file for name in TASKS]
    assert len(set(files)) == 8
    assert max(files.count(file) for file in files) <= 3


@pytest.mark.parametrize("name", ["drawer-open", "sweep-into"])
def test_the_snapshot_shows_what_stands_elsewhere(name: str) -> None:
    """Videos are drawn from snapshots."""
    task = load(name)
    simulation = Simulation(task, [1], 2, threads=1)
    simulation.step(torch.ones(2, 4))
    data = simulation.engine.snapshot(1)
    assert isinstance(data, mujoco.MjData)
    expected = simulation.engine.field("mocap_pos")[1].numpy()
    np.testing.assert_array_equal(data.mocap_pos, expected)
