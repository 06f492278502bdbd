"""``ball-balance/balance``: keep a ball in the middle of a tray."""

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
LEGS = (1, 2, 3)
TRAY_RADIUS_M = 0.5
BALL_HEIGHT_M = 0.71  # of its centre, where it touches the level tray
MIDDLE_M = 0.1
STILL_M_S = 0.2
FARTHEST_START_M = 0.3
FASTEST_START_M_S = 0.5
HIGHEST_DROP_M = 0.1


class Balance(Task):
    """A tray on three legs that grow and shrink, and a ball that is dropped on it, in motion.

    The counterpart of BallBalance in Isaac Gym's examples, with these differences. A leg there has
    two hinges, of which one is driven; here it is one straight actuator, so the tray rises and
    tilts but cannot shift sideways. Actions there are speeds of the driven joints' targets, here
    they are the legs' target lengths. The ball falls there from one to two metres towards the
    middle, here from up to 0.1 m and in any direction. The policy there sees force sensors, here
    the tilt of the tray. The episode ends there when the ball lies on the ground, here as soon as
    it is beyond the rim.
    """

    name = "ball-balance/balance"
    description = (
        "Tilt the tray with its three legs so that the ball rolls to the middle and lies still "
        "there, without falling off."
    )
    decimation = 2
    episode_s = 10.0
    features = (
        Feature("leg_lengths", (3,), "m", "Lengths of the legs; 0.6 in the middle of their range."),
        Feature("leg_velocities", (3,), "m/s", "How fast the legs grow."),
        Feature("tray_height", (), "m", "Height of the tray's centre; 0.6 at the start."),
        Feature("tray_up", (3,), "1", "The tray's upward axis in the world; (0, 0, 1) is level."),
        Feature(
            "ball_position",
            (3,),
            "m",
            "The ball's centre seen from the tray's: along the tray's x and y and above it.",
        ),
        Feature("ball_velocity", (3,), "m/s", "Velocity of the ball in the world."),
        Feature("ball_distance", (), "m", "Distance of the ball from the middle along the tray."),
        Feature("ball_speed", (), "m/s", "Speed of the ball in the world."),
    )
    causes: ClassVar[Mapping[str, str]] = {
        "ball_lost": f"The ball's centre is beyond the tray's rim, {TRAY_RADIUS_M} m from the "
        "middle."
    }
    metrics = (
        Metric(
            name="balanced",
            unit="1",
            description=(
                f"Share of the episode in which the ball is within {MIDDLE_M} m of the middle and "
                f"slower than {STILL_M_S} m/s."
            ),
            success=0.7,
        ),
    )
    human_reward = HERE / "balance_reward.py"

    def scene(self) -> mujoco.MjSpec:
        """Return the scene."""
        return load_scene(HERE / "balance.xml")

    def measure(self, physics: Physics, variables: Quantities) -> dict[str, Tensor]:
        """Read the legs' sensors and see the ball from the tray."""
        del variables
        tray, frame = physics.body_position("tray"), physics.body_matrix("tray")
        away = physics.body_position("ball") - tray
        seen = (frame * away.unsqueeze(2)).sum(1)
        velocity = physics.joint_velocity("ball")[:, :3]
        return {
            "leg_lengths": torch.stack([physics.sensor(f"leg_{i}_length") for i in LEGS], 1),
            "leg_velocities": torch.stack([physics.sensor(f"leg_{i}_velocity") for i in LEGS], 1),
            "tray_height": tray[:, 2],
            "tray_up": frame[:, :, 2],
            "ball_position": seen,
            "ball_velocity": velocity,
            "ball_distance": torch.hypot(seen[:, 0], seen[:, 1]),
            "ball_speed": velocity.square().sum(1).sqrt(),
        }

    def observation(self, features: FeatureView) -> Float[Tensor, "... 14"]:
        """Return legs, tilt of the tray, position and velocity of the ball."""
        return torch.cat(
            [
                features.leg_lengths,
                features.leg_velocities,
                features.tray_up[..., :2],
                features.ball_position,
                features.ball_velocity,
            ],
            dim=-1,
        )

    def terminations(self, features: FeatureView) -> dict[str, Bool[Tensor, "..."]]:
        """End the episode when the ball has left the tray."""
        return {"ball_lost": features.ball_distance > TRAY_RADIUS_M}

    def reset(self, mask: Bool[Tensor, " R"], draw: Draw) -> Initial:
        """Drop the ball within 0.3 m of the middle of a level tray, rolling at up to 0.5 m/s."""
        rows = len(mask)
        place = _in_disc(draw, "ball_position", FARTHEST_START_M)
        drift = _in_disc(draw, "ball_velocity", FASTEST_START_M_S)
        height = draw.uniform("ball_height", (1,), BALL_HEIGHT_M, BALL_HEIGHT_M + HIGHEST_DROP_M)
        tray, turn = height.new_zeros(rows, 3), height.new_zeros(rows, 4)
        turn[:, 0] = 1.0
        return Initial(
            qpos=torch.cat([tray, place, height, turn], dim=1),
            qvel=torch.cat([tray, drift, height.new_zeros(rows, 4)], dim=1),
        )

    def fitness(self, features: FeatureView) -> dict[str, Tensor]:
        """Return 1 while the ball lies in the middle; the average is the fitness."""
        middle, still = features.ball_distance < MIDDLE_M, features.ball_speed < STILL_M_S
        return {"balanced": middle & still}


def _in_disc(draw: Draw, name: str, radius: float) -> Float[Tensor, "R 2"]:
    """Draw points of a disc, uniform in area."""
    distance = radius * draw.uniform(f"{name}_distance", (1,)).sqrt()
    angle = draw.uniform(f"{name}_angle", (1,), -math.pi, math.pi)
    return distance * torch.cat([torch.cos(angle), torch.sin(angle)], dim=1)
