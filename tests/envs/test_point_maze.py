"""``point/maze``: paths against a plain search, walls against rays, the score, a controller."""

from __future__ import annotations

from collections import deque

import mujoco
import numpy as np
import pytest
import torch
from torch import Tensor

from rewardgen_envs.draw import Draw
from rewardgen_envs.features import FeatureView
from rewardgen_envs.point.grid import Grid
from rewardgen_envs.point.maze import GRID, LEAST_PATH_M, POINT_RADIUS_M, Maze, tables
from rewardgen_envs.simulation import Simulation
from rewardgen_envs.task import Initial
from tests.envs.scripted import at_random, success_rate

torch.set_num_threads(1)
CPU = torch.device("cpu")
SMALL = Grid(("#####", "#...#", "#.#.#", "###.#", "#####"))
# its free cells by number, row by row; the way from 3 to 5 leads around the wall
#   0 1 2
#   3 # 4
#   # # 5


def seen(simulation: Simulation) -> FeatureView:
    return simulation.task.table.view(simulation.state)


def placed(points: Tensor, goals: Tensor, *, speed: float = 0.0) -> Simulation:
    """Points (R, 2) with their goals (R, 2), moving east."""

    class Placed(Maze):
        def reset(self, mask: Tensor, draw: Draw) -> Initial:
            qvel = torch.zeros(len(points), 4).double()
            qvel[:, 2] = speed
            return Initial(qpos=torch.cat([goals, points], 1).double(), qvel=qvel)

    return Simulation(Placed(), [0], len(points), threads=1)


def searched(grid: Grid, start: tuple[int, int]) -> dict[tuple[int, int], int]:
    """Return how many cells away every cell is from one, by breadth-first search."""
    found, queue = {start: 0}, deque([start])
    while queue:
        row, column = queue.popleft()
        for cell in ((row, column + 1), (row, column - 1), (row + 1, column), (row - 1, column)):
            if cell in grid.free and cell not in found:
                found[cell] = found[row, column] + 1
                queue.append(cell)
    return found


# ---- tables


def test_a_small_maze_by_hand() -> None:
    known = SMALL.tables(least_path_m=4.0)
    assert SMALL.free == ((1, 1), (1, 2), (1, 3), (2, 1), (2, 3), (3, 3))
    assert known.center[0].tolist() == [-1.0, 1.0]
    assert known.center[5].tolist() == [1.0, -1.0]
    assert known.distance[3].tolist() == [1.0, 2.0, 3.0, 0.0, 4.0, 5.0]
    assert known.next_cell[3].tolist() == [0, 0, 0, 3, 0, 0]
    assert known.free_way[0].tolist() == [2.5, 0.5, 0.5, 1.5]  # east, north, west, south
    assert known.goal_count.tolist() == [1, 0, 0, 2, 1, 2]
    assert known.goals[3, :2].tolist() == [4, 5]


@pytest.mark.parametrize("grid", [SMALL, GRID], ids=["small", "task"])
def test_distances_are_those_of_a_breadth_first_search(grid: Grid) -> None:
    known = grid.tables(least_path_m=4.0)
    for number, cell in enumerate(grid.free):
        away = searched(grid, cell)
        assert known.distance[number].tolist() == [away[other] for other in grid.free]


@pytest.mark.parametrize("grid", [SMALL, GRID], ids=["small", "task"])
def test_following_the_next_cell_is_a_shortest_path(grid: Grid) -> None:
    known = grid.tables(least_path_m=4.0)
    for start, goal in np.ndindex(len(grid.free), len(grid.free)):
        cell, steps = start, 0
        while cell != goal:
            (r0, c0), cell = grid.free[cell], int(known.next_cell[cell, goal])
            r1, c1 = grid.free[cell]
            assert abs(r1 - r0) + abs(c1 - c0) == 1
            steps += 1
        assert steps == float(known.distance[start, goal])
        assert int(known.next_cell[goal, goal]) == goal


def test_every_place_belongs_to_the_nearest_free_cell() -> None:
    known = tables(CPU)
    inside = known.center + torch.tensor([0.45, -0.45])
    assert GRID.cell_number(inside, known.nearest).tolist() == list(range(len(GRID.free)))
    for row, column in np.ndindex(GRID.height, GRID.width):
        x, y = GRID.center(row, column)
        given = int(GRID.cell_number(torch.tensor([[x, y]]), known.nearest))
        away = (known.center - torch.tensor([x, y])).norm(dim=1)
        assert float(away[given]) == pytest.approx(float(away.min()))
    corner = GRID.cell_number(torch.tensor([[-1e9, 1e9]]), known.nearest)
    assert GRID.free[int(corner)] == (1, 1)


# ---- features


def test_walls_are_where_mujocos_rays_meet_them() -> None:
    points = tables(CPU).center + torch.tensor([0.21, -0.13])
    simulation = placed(points, points)
    model, features = simulation.task.model, seen(simulation)
    body = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_BODY, "point")
    directions = ((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0))
    for world in range(len(points)):
        data = simulation.engine.snapshot(world)
        mujoco.mj_forward(model, data)
        for column, (x, y) in enumerate(directions):
            away = mujoco.mj_ray(
                model,
                data,
                data.xpos[body],
                np.array([x, y, 0.0]),
                None,
                1,
                body,
                np.zeros(1, dtype=np.int32),
            )
            given = float(features.wall_distances[world, column])
            assert given == pytest.approx(away - POINT_RADIUS_M, abs=1e-5)


def test_the_way_to_the_goal_by_hand() -> None:
    """From the north-west corner's cell to the second cell south of it, 0.1 m off the middle."""
    known = tables(CPU)
    north, south = (GRID.free.index(cell) for cell in ((1, 1), (3, 1)))
    point = known.center[north] + torch.tensor([0.0, 0.1])
    features = seen(placed(point.unsqueeze(0), known.center[south].unsqueeze(0), speed=0.5))
    torch.testing.assert_close(features.waypoint_vector[0], torch.tensor([0.0, -1.1]))
    assert float(features.path_distance) == pytest.approx(2.1)
    assert float(features.goal_distance) == pytest.approx(2.1)
    assert features.point_velocity[0].tolist() == [0.5, 0.0]


def test_in_the_goals_cell_the_way_is_straight() -> None:
    center = tables(CPU).center[:1]
    features = seen(placed(center + torch.tensor([0.3, 0.4]), center))
    assert float(features.path_distance) == pytest.approx(0.5)
    torch.testing.assert_close(features.waypoint_vector, features.goal_vector)


# ---- starts and score


def test_goals_are_far_and_all_cells_are_starts() -> None:
    task, world, known = Maze(), torch.arange(3000), tables(CPU)
    start = task.reset(world >= 0, Draw(torch.zeros_like(world), world, torch.zeros_like(world)))
    goal, point = start.qpos[:, :2], start.qpos[:, 2:]
    begins, ends = (GRID.cell_number(place, known.nearest) for place in (point, goal))
    assert float(known.distance[begins, ends].min()) == LEAST_PATH_M
    assert len(begins.unique()) == len(ends.unique()) == len(GRID.free)
    assert float((point - known.center[begins]).abs().max()) <= 0.2
    assert torch.equal(goal, known.center[ends])


@pytest.mark.parametrize(("away", "reached"), [(0.39, 1.0), (0.41, 0.0)])
def test_the_goal_counts_from_its_rim_and_for_good(away: float, reached: float) -> None:
    center = tables(CPU).center[GRID.free.index((1, 7))].unsqueeze(0)
    simulation = placed(center - torch.tensor([[away, 0.0]]), center)
    task, features = simulation.task, seen(simulation)
    assert float(task.fitness(features)["goal_reached"]) == reached
    assert float(task.fitness(features)["path_left"]) == pytest.approx(away)
    step = simulation.step(torch.tensor([[0.0, 0.0]]))
    for _ in range(task.episode_steps - 1):
        step = simulation.step(torch.tensor([[-1.0, 0.0]]))
    assert bool(step.truncated)
    assert float(step.fitness["goal_reached"]) == reached
    assert float(step.fitness["path_left"]) > 1.0


def test_walls_hold_the_point() -> None:
    center = tables(CPU).center[GRID.free.index((1, 1))].unsqueeze(0)
    simulation = placed(center, center)
    for _ in range(40):
        simulation.step(torch.tensor([[-1.0, 1.0]]))
    away = seen(simulation).wall_distances[0]
    assert away[1:3].tolist() == pytest.approx([0.0, 0.0], abs=0.02)


def follow(features: FeatureView) -> Tensor:
    """Go to the next cell, not too fast."""
    return 2.4 * features.waypoint_vector - features.point_velocity


def straight(features: FeatureView) -> Tensor:
    """Go to the goal as if there were no walls."""
    return 2.4 * features.goal_vector - features.point_velocity


def test_the_way_leads_to_the_goal_and_chance_or_the_straight_line_do_not() -> None:
    task = Maze()
    assert success_rate(task, follow) == 1.0
    assert success_rate(task, straight) < 0.2
    assert success_rate(task, at_random(task)) == 0.0
