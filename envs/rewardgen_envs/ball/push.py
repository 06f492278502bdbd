"""``ball/push``: push a ball to a goal on a table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import mujoco
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from rewardgen_envs.draw import Draw
from rewardgen_envs.features import Feature, FeatureView
from rewardgen_envs.metrics import Metric
from rewardgen_envs.physics import Physics
from rewardgen_envs.quantities import Quantities
from rewardgen_envs.scene import load_scene
from rewardgen_envs.task import Initial, Task

HERE = Path(__file__).parent
TABLE_M = 1.0  # from the middle to each edge
GOAL_RADIUS_M = 0.1
BALL_RADIUS_M = 0.06
PUSHER_RADIUS_M = 0.05
BALL_START_M = 0.35  # along each axis
PUSHER_AWAY_M = (0.15, 0.4)  # from the ball at the start
GOAL_AWAY_M = (0.25, 0.5)


class Push(Task):
    """A disc that slides over a table, and a ball that rolls and slows down by itself."""

    name = "ball/push"
    description = (
        "Push the ball across the table to the goal and keep it there, without letting it roll "
        "off the table."
    )
    decimation = 4
    episode_s = 8.0
    features = (
        Feature("pusher_position", (2,), "m", "Position of the pusher; (0, 0) is mid-table."),
        Feature("pusher_velocity", (2,), "m/s", "Velocity of the pusher."),
        Feature("ball_position", (2,), "m", "Position of the ball."),
        Feature("ball_velocity", (2,), "m/s", "Velocity of the ball."),
        Feature("goal_position", (2,), "m", "Position of the goal, another in each episode."),
        Feature("ball_vector", (2,), "m", "From the pusher to the ball."),
        Feature("goal_vector", (2,), "m", "From the ball to the goal."),
        Feature("ball_gap", (), "m", "Room between pusher and ball; 0 where they touch."),
        Feature("goal_distance", (), "m", "Distance from the ball to the goal."),
        Feature("ball_speed", (), "m/s", "Speed of the ball."),
        Feature(
            "push_alignment",
            (),
            "1",
            "Cosine of the angle between the ways from pusher to ball and from ball to goal: 1 "
            "where the pusher is right behind the ball.",
        ),
    )
    causes: ClassVar[Mapping[str, str]] = {
        "ball_off_table": f"The ball is more than {TABLE_M:.0f} m from mid-table along x or y."
    }
    metrics = (
        Metric(
            name="ball_at_goal",
            unit="1",
            description=(
                f"Share of the episode in which the ball is within {GOAL_RADIUS_M} m of the goal."
            ),
            success=0.5,
        ),
    )
    human_reward = HERE / "push_reward.py"

    def scene(self) -> mujoco.MjSpec:
        """Return the scene; the goal's two joints only place its mark."""
        return load_scene(HERE / "push.xml")

    def measure(self, physics: Physics, variables: Quantities) -> dict[str, Tensor]:
        """Compute where pusher, ball and goal are to each other."""
        del variables
        qpos, qvel = physics.qpos, physics.qvel
        goal, pusher, ball = qpos[:, :2], qpos[:, 2:4], qpos[:, 4:6]
        velocity = qvel[:, 4:6]
        to_ball, to_goal = ball - pusher, goal - ball
        ball_distance = torch.hypot(to_ball[:, 0], to_ball[:, 1])
        goal_distance = torch.hypot(to_goal[:, 0], to_goal[:, 1])
        cosine = (to_ball * to_goal).sum(1) / (ball_distance * goal_distance).clamp(min=1e-6)
        return {
            "pusher_position": pusher,
            "pusher_velocity": qvel[:, 2:4],
            "ball_position": ball,
            "ball_velocity": velocity,
            "goal_position": goal,
            "ball_vector": to_ball,
            "goal_vector": to_goal,
            "ball_gap": ball_distance - (BALL_RADIUS_M + PUSHER_RADIUS_M),
            "goal_distance": goal_distance,
            "ball_speed": torch.hypot(velocity[:, 0], velocity[:, 1]),
            "push_alignment": cosine,
        }

    def observation(self, features: FeatureView) -> Float[Tensor, "... 10"]:
        """Return ball and goal seen from pusher and ball, the velocities, where the ball is."""
        return torch.cat(
            [
                features.ball_vector,
                features.goal_vector,
                features.pusher_velocity,
                features.ball_velocity,
                features.ball_position,
            ],
            dim=-1,
        )

    def terminations(self, features: FeatureView) -> dict[str, Bool[Tensor, "..."]]:
        """End the episode when the ball has left the table."""
        return {"ball_off_table": features.ball_position.abs().amax(-1) > TABLE_M}

    def reset(self, mask: Bool[Tensor, " R"], draw: Draw) -> Initial:
        """Put the ball near mid-table, pusher and goal around it, all at rest."""
        ball = draw.uniform("ball", (2,), -BALL_START_M, BALL_START_M)
        pusher = ball + _in_ring(draw, "pusher", *PUSHER_AWAY_M)
        goal = ball + _in_ring(draw, "goal", *GOAL_AWAY_M)
        upright = ball.new_zeros(len(mask), 5)  # height and orientation of the ball
        upright[:, 0] = BALL_RADIUS_M
        upright[:, 1] = 1.0
        return Initial(
            qpos=torch.cat([goal, pusher, ball, upright], dim=1),
            qvel=ball.new_zeros(len(mask), 10),
        )

    def fitness(self, features: FeatureView) -> dict[str, Tensor]:
        """Return 1 while the ball is at the goal; the average is the fitness."""
        return {"ball_at_goal": features.goal_distance < GOAL_RADIUS_M}


def _in_ring(draw: Draw, name: str, nearest: float, farthest: float) -> Float[Tensor, "R 2"]:
    """Draw points around the origin, uniform in distance and direction."""
    distance = draw.uniform(f"{name}_distance", (1,), nearest, farthest)
    angle = draw.uniform(f"{name}_direction", (1,), -math.pi, math.pi)
    return distance * torch.cat([torch.cos(angle), torch.sin(angle)], dim=1)
