"""What the ant's behaviours on the spot share: features, observation, terminations, resets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from rewardgen_envs.ant.ant import ANT_FEATURES, LEGS, Ant
from rewardgen_envs.draw import Draw
from rewardgen_envs.features import Feature, FeatureView
from rewardgen_envs.free_root import along_heading, heading_angle, in_torso_frame, up_in_torso
from rewardgen_envs.physics import Physics
from rewardgen_envs.quantities import Quantities
from rewardgen_envs.task import Initial

STANDING = (0.0, 0.0, 0.56, 1.0, 0.0, 0.0, 0.0, *(0.0, 1.0, 0.0, -1.0, 0.0, -1.0, 0.0, 1.0))
START_NOISE = 0.05
OVERTURNED = 0.3
_TORSO_RADIUS_M = 0.25
_SHIN_GEOMS = ("left_ankle_geom", "right_ankle_geom", "third_ankle_geom", "fourth_ankle_geom")

BEHAVIOUR_FEATURES = (
    *ANT_FEATURES,
    Feature(
        "foot_heights", (4,), "m", f"Lowest points of the {LEGS} above the floor; 0.02 is on it."
    ),
    Feature("torso_clearance", (), "m", "Height of the torso's lowest point above the floor."),
    Feature("start_distance", (), "m", "Horizontal distance of the torso from the origin."),
    Feature("heading", (), "rad", "Direction that the torso faces; 0 is along x, positive left."),
)


class Behaviour(Ant):
    """The ant starts on its feet at the origin; the episode ends when it turns over."""

    episode_s = 10.0
    features = BEHAVIOUR_FEATURES
    causes: ClassVar[Mapping[str, str]] = {
        "overturned": "The torso's up axis is more than 72 degrees from the vertical."
    }

    def measure(self, physics: Physics, variables: Quantities) -> dict[str, Tensor]:
        """Add the heights of feet and belly, where the torso is and where it faces."""
        measured = super().measure(physics, variables)
        torso = measured["torso_position"]
        feet = [physics.lowest_point(geom) for geom in _SHIN_GEOMS]
        return measured | {
            "foot_heights": torch.stack(feet, dim=1),
            "torso_clearance": torso[:, 2] - _TORSO_RADIUS_M,
            "start_distance": torch.hypot(torso[:, 0], torso[:, 1]),
            "heading": heading_angle(measured["torso_quaternion"]),
        }

    def observation(self, features: FeatureView) -> Float[Tensor, "... D"]:
        """Return what the robot feels, whichever way it faces, and the way back to the origin."""
        turn = features.torso_quaternion
        return torch.cat(
            [
                features.torso_position[..., 2:],
                up_in_torso(turn),
                features.joint_angles,
                in_torso_frame(features.torso_velocity, turn),
                features.torso_angular_velocity,
                features.joint_velocities,
                features.foot_heights,
                along_heading(-features.torso_position[..., :2], turn),
            ],
            dim=-1,
        )

    def terminations(self, features: FeatureView) -> dict[str, Bool[Tensor, "..."]]:
        """End the episode when the robot turns over."""
        return {"overturned": features.torso_up < OVERTURNED}

    def reset(self, mask: Bool[Tensor, " R"], draw: Draw) -> Initial:
        """Start standing, every coordinate and velocity off by up to ±0.05."""
        del mask
        qpos = draw.uniform("qpos", (15,), -START_NOISE, START_NOISE)
        qpos += torch.tensor(STANDING, dtype=qpos.dtype, device=qpos.device)
        return Initial(qpos=qpos, qvel=draw.uniform("qvel", (14,), -START_NOISE, START_NOISE))
