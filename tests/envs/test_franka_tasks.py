"""A drawer is opened: its features, its score, and that it can be done."""

from __future__ import annotations

import pytest
import torch

from rewardgen_envs.franka.open_cabinet import OpenCabinet
from rewardgen_envs.simulation import Simulation
from tests.envs.panda_script import CLOSED, OPEN, idle, lead, put, view

torch.set_num_threads(1)


def test_the_handle_moves_with_the_drawer() -> None:
    simulation = Simulation(OpenCabinet(), [0], 2, threads=1)
    closed = view(simulation).handle_position
    assert closed[0].tolist() == pytest.approx([0.78, 0.0, 0.5])
    put(simulation, "drawer", [0.1])
    seen = view(simulation, idle(simulation))
    assert seen.drawer_opening.tolist() == pytest.approx([0.1, 0.1], abs=1e-3)
    moved = seen.handle_position - closed
    torch.testing.assert_close(moved, torch.tensor([[-0.1, 0.0, 0.0]] * 2), atol=1e-3, rtol=0.0)
    away = seen.handle_position - seen.hand_position
    torch.testing.assert_close(seen.hand_to_handle, away)
    torch.testing.assert_close(seen.hand_handle_distance, torch.linalg.norm(away, dim=1))


@pytest.mark.parametrize(("opening", "paid"), [(0.2, 0.0), (0.38, 0.0), (0.4, 1.0)])
def test_a_drawer_counts_as_open_from_39_centimetres_on(opening: float, paid: float) -> None:
    task = OpenCabinet()
    state = torch.zeros(1, task.table.width)
    state[:, task.table.columns("drawer_opening").start] = opening
    seen = task.table.view(state)
    assert float(task.fitness(seen)["opening"]) == pytest.approx(opening)
    assert float(task.sparse_reward(seen, torch.zeros(1, 4), seen)) == paid


def test_how_far_it_is_open_at_the_end_counts() -> None:
    simulation = Simulation(OpenCabinet(), [0], 1, threads=1)
    for number in range(simulation.task.episode_steps):
        put(simulation, "drawer", [0.42 if number < 140 else 0.1])
        step = idle(simulation)
    assert bool(step.truncated)
    assert float(step.fitness["opening"]) == pytest.approx(0.1, abs=1e-3)


def test_led_by_hand_the_arm_opens_the_drawer() -> None:
    simulation = Simulation(OpenCabinet(), [1], 8, threads=1)
    before = torch.tensor([-0.07, 0.0, 0.07])
    lead(simulation, lambda f: f.handle_position + before, OPEN, 25)
    lead(simulation, lambda f: f.handle_position, OPEN, 20)
    assert float(view(simulation).drawer_opening.abs().max()) < 0.01
    assert not bool(view(simulation).finger_on_handle.any())
    lead(simulation, lambda f: f.handle_position, CLOSED, 12)
    assert bool((view(simulation).finger_on_handle == 1.0).all())
    pull = torch.tensor([-0.05, 0.0, 0.0])
    lead(simulation, lambda f: f.hand_position + pull, CLOSED, 30)
    step = lead(simulation, lambda f: f.hand_position, CLOSED, simulation.task.episode_steps - 87)
    assert bool(step.truncated.all())
    assert float(step.fitness["opening"].min()) > 0.39
    # the hand, not the drawer's own motion, did it
    assert float(view(simulation, step).hand_handle_distance.max()) < 0.03


def test_without_a_grip_the_drawer_stays_closed() -> None:
    simulation = Simulation(OpenCabinet(), [1], 4, threads=1)
    step = lead(simulation, lambda f: f.handle_position + torch.tensor([-0.3, 0.0, 0.1]), OPEN, 150)
    assert bool(step.truncated.all())
    assert float(step.fitness["opening"].max()) < 1e-3
