"""``quadcopter/hover``: fly to a point and hover there."""

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
TARGET_HEIGHT_M = 1.5
FARTHEST_START_M = 1.0  # along each axis
TILT_START_RAD = 0.3
LOWEST_M = 0.1
FARTHEST_M = 3.0
NEAR_M = 0.2
SLOW_M_S = 0.5
_OWN = "along the quadcopter's own axes: ahead, left, up"


class Hover(Task):
    """A quadcopter of 1 kg; four rotors lift with up to 5 N each, so half power carries it.

    The counterpart of Quadcopter in Isaac Gym's examples, with these differences. The rotors there
    are on arms that turn about two axes each, and actions change their angles and thrusts, twelve
    in all; here the rotors are fixed, the four actions are their thrusts, and their drag turns the
    body. The target is 1.5 m above the ground instead of 1 m. The start there is level and at rest,
    up to 1.5 m away along each axis; here it is tilted and moving, up to 1 m away.
    """

    name = "quadcopter/hover"
    description = (
        "Fly the quadcopter to the target point 1.5 m above the ground and hover there, still."
    )
    decimation = 2
    episode_s = 8.0
    features = (
        Feature("position", (3,), "m", "Position of the quadcopter; the target is (0, 0, 1.5)."),
        Feature("quaternion", (4,), "1", "Orientation of the quadcopter, scalar part first."),
        Feature("velocity", (3,), "m/s", "Velocity of the quadcopter in the world."),
        Feature("angular_velocity", (3,), "rad/s", f"Angular velocity {_OWN}."),
        Feature("body_up", (), "1", "Vertical part of the quadcopter's up axis; 1 is level."),
        Feature("world_up_own", (3,), "1", f"The direction straight up, {_OWN}."),
        Feature("velocity_own", (3,), "m/s", f"Velocity {_OWN}."),
        Feature("target_vector_own", (3,), "m", f"From the quadcopter to the target, {_OWN}."),
        Feature("target_distance", (), "m", "Distance from the quadcopter to the target."),
        Feature("speed", (), "m/s", "Speed of the quadcopter."),
    )
    causes: ClassVar[Mapping[str, str]] = {
        "crashed": f"The quadcopter is lower than {LOWEST_M} m.",
        "lost": f"The quadcopter is more than {FARTHEST_M:.0f} m away from the target.",
    }
    metrics = (
        Metric(
            name="hovering",
            unit="1",
            description=(
                f"Share of the episode within {NEAR_M} m of the target and slower than {SLOW_M_S} "
                "m/s."
            ),
            success=0.6,
        ),
    )
    human_reward = HERE / "hover_reward.py"

    def scene(self) -> mujoco.MjSpec:
        """Return the scene."""
        return load_scene(HERE / "hover.xml")

    def measure(self, physics: Physics, variables: Quantities) -> dict[str, Tensor]:
        """Name position, orientation and velocities, in the world and seen from the body."""
        del variables
        position, frame = physics.body_position("quadcopter"), physics.body_matrix("quadcopter")
        away = physics.site_position("target") - position
        qvel = physics.qvel
        velocity = qvel[:, :3]
        return {
            "position": position,
            "quaternion": physics.body_quaternion("quadcopter"),
            "velocity": velocity,
            "angular_velocity": qvel[:, 3:],
            "body_up": frame[:, 2, 2],
            "world_up_own": frame[:, 2],
            "velocity_own": (frame * velocity.unsqueeze(2)).sum(1),
            "target_vector_own": (frame * away.unsqueeze(2)).sum(1),
            "target_distance": away.square().sum(1).sqrt(),
            "speed": velocity.square().sum(1).sqrt(),
        }

    def observation(self, features: FeatureView) -> Float[Tensor, "... 12"]:
        """Return what an observer on board sees: target, own motion, and where up is."""
        return torch.cat(
            [
                features.target_vector_own,
                features.velocity_own,
                features.world_up_own,
                features.angular_velocity,
            ],
            dim=-1,
        )

    def terminations(self, features: FeatureView) -> dict[str, Bool[Tensor, "..."]]:
        """End the episode near the ground or far away."""
        return {
            "crashed": features.position[..., 2] < LOWEST_M,
            "lost": features.target_distance > FARTHEST_M,
        }

    def reset(self, mask: Bool[Tensor, " R"], draw: Draw) -> Initial:
        """Start off the target in any heading, tilted by up to 0.3 rad, with small velocities."""
        del mask
        place = draw.uniform("position", (3,), -FARTHEST_START_M, FARTHEST_START_M)
        place[:, 2] += TARGET_HEIGHT_M
        heading = draw.uniform("heading", (1,), -math.pi, math.pi) / 2.0
        tilt = draw.uniform("tilt", (1,), 0.0, TILT_START_RAD) / 2.0
        side = draw.uniform("tilt_direction", (1,), -math.pi, math.pi)
        # first tilt about a horizontal axis, then turn about the vertical
        quaternion = torch.cat(
            [
                torch.cos(tilt) * torch.cos(heading),
                torch.sin(tilt) * torch.cos(side + heading),
                torch.sin(tilt) * torch.sin(side + heading),
                torch.cos(tilt) * torch.sin(heading),
            ],
            dim=1,
        )
        return Initial(
            qpos=torch.cat([place, quaternion], dim=1), qvel=draw.normal("velocity", (6,), std=0.3)
        )

    def fitness(self, features: FeatureView) -> dict[str, Tensor]:
        """Return 1 while hovering at the target; the average is the fitness."""
        return {"hovering": (features.target_distance < NEAR_M) & (features.speed < SLOW_M_S)}
