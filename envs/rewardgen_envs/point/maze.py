"""``point/maze``: find the way through a maze."""

from __future__ import annotations

import functools
from pathlib import Path

import mujoco
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from rewardgen_envs.draw import Draw
from rewardgen_envs.features import Feature, FeatureView
from rewardgen_envs.metrics import Accumulation, Metric
from rewardgen_envs.physics import Physics
from rewardgen_envs.point.grid import Grid, Tables
from rewardgen_envs.quantities import Quantities
from rewardgen_envs.scene import load_scene
from rewardgen_envs.task import Initial, Task

HERE = Path(__file__).parent
GRID = Grid(
    (
        "###########",
        "#...#.....#",
        "#.#.#.###.#",
        "#.#...#...#",
        "#.#####.#.#",
        "#.....#.#.#",
        "#.###.#.###",
        "#...#.....#",
        "###########",
    )
)
LEAST_PATH_M = 10.0
GOAL_RADIUS_M = 0.4
POINT_RADIUS_M = 0.2
START_SPREAD_M = 0.2
WALL_HEIGHT_M = 0.4


@functools.cache
def tables(device: torch.device) -> Tables:
    """Return the maze's tables on a device, where they stay."""
    return GRID.tables(LEAST_PATH_M).to(device)


class Maze(Task):
    """A ball of 0.2 m radius that slides through a maze of 1 m wide ways, pushed along x and y."""

    name = "point/maze"
    description = (
        "Make the point mass find its way through the maze to the goal, which is at least "
        f"{LEAST_PATH_M:.0f} m of way from the start, around several corners."
    )
    decimation = 4
    episode_s = 20.0
    features = (
        Feature("point_position", (2,), "m", "Position of the point: x is east, y is north."),
        Feature("point_velocity", (2,), "m/s", "Velocity of the point."),
        Feature("goal_position", (2,), "m", "Position of the goal, another in each episode."),
        Feature("goal_vector", (2,), "m", "From the point to the goal, straight through walls."),
        Feature("goal_distance", (), "m", "Straight distance from the point to the goal."),
        Feature(
            "waypoint_vector",
            (2,),
            "m",
            "From the point to the middle of the next cell on the shortest way to the goal.",
        ),
        Feature("path_distance", (), "m", "Length of the shortest way to the goal along cells."),
        Feature(
            "wall_distances",
            (4,),
            "m",
            "Free way of the point until its rim meets a wall in the east, north, west and south.",
        ),
    )
    metrics = (
        Metric(
            name="goal_reached",
            unit="1",
            description=f"1 if the point came within {GOAL_RADIUS_M} m of the goal, else 0.",
            accumulation=Accumulation.BEST,
            success=1.0,
        ),
        Metric(
            name="path_left",
            unit="m",
            description="Length of the shortest way to the goal at the end of the episode.",
            accumulation=Accumulation.FINAL,
            higher_is_better=False,
        ),
    )
    human_reward = HERE / "maze_reward.py"

    def scene(self) -> mujoco.MjSpec:
        """Return point and goal with the maze's walls; the goal's joints only place its mark."""
        spec = load_scene(HERE / "maze.xml")
        half = WALL_HEIGHT_M / 2.0
        for wall in GRID.walls():
            spec.worldbody.add_geom(
                spec.find_default("wall"),
                pos=[wall.x, wall.y, half],
                size=[wall.half_x, wall.half_y, half],
            )
        return spec

    def measure(self, physics: Physics, variables: Quantities) -> dict[str, Tensor]:
        """Look up the cells of point and goal, and from them the way between them."""
        del variables
        goal, point = physics.qpos[:, :2], physics.qpos[:, 2:]
        known = tables(point.device)
        cell = GRID.cell_number(point, known.nearest)
        goal_cell = GRID.cell_number(goal, known.nearest)
        following = known.next_cell[cell, goal_cell]
        to_goal, to_next = goal - point, known.center[following] - point
        off = point - known.center[cell]
        return {
            "point_position": point,
            "point_velocity": physics.qvel[:, 2:],
            "goal_position": goal,
            "goal_vector": to_goal,
            "goal_distance": torch.hypot(to_goal[:, 0], to_goal[:, 1]),
            "waypoint_vector": to_next,
            "path_distance": torch.hypot(to_next[:, 0], to_next[:, 1])
            + known.distance[following, goal_cell],
            "wall_distances": known.free_way[cell] - torch.cat([off, -off], 1) - POINT_RADIUS_M,
        }

    def observation(self, features: FeatureView) -> Float[Tensor, "... 12"]:
        """Return position, velocity, where goal and next cell are, and how near the walls are."""
        return torch.cat(
            [
                features.point_position,
                features.point_velocity,
                features.goal_vector,
                features.waypoint_vector,
                features.wall_distances,
            ],
            dim=-1,
        )

    def reset(self, mask: Bool[Tensor, " R"], draw: Draw) -> Initial:
        """Start at rest in any cell, with a goal in any cell that is far enough from it."""
        chosen, wanted = draw.uniform("start"), draw.uniform("goal")
        known = tables(chosen.device)
        start = (chosen * len(known.center)).long()
        goal = known.goals[start, (wanted * known.goal_count[start]).long()]
        off = draw.uniform("off_center", (2,), -START_SPREAD_M, START_SPREAD_M)
        return Initial(
            qpos=torch.cat([known.center[goal], known.center[start] + off], dim=1),
            qvel=off.new_zeros(len(mask), 4),
        )

    def fitness(self, features: FeatureView) -> dict[str, Tensor]:
        """Return whether the point is at the goal, and how far it still has to go."""
        return {
            "goal_reached": features.goal_distance < GOAL_RADIUS_M,
            "path_left": features.path_distance,
        }
