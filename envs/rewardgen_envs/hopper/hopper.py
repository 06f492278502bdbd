"""What the hopper tasks share: scene, features, observation, resets.

Scene, control step, observation and resets are those of Gymnasium's ``Hopper-v5``.
"""

from __future__ import annotations

from pathlib import Path

import mujoco
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from rewardgen_envs.draw import Draw
from rewardgen_envs.features import Feature, FeatureView
from rewardgen_envs.physics import Physics
from rewardgen_envs.quantities import Quantities
from rewardgen_envs.scene import gymnasium_scene
from rewardgen_envs.task import Initial, Task
from rewardgen_envs.trackers import Rule, Tracker

HERE = Path(__file__).parent
STANDING_HEIGHT_M = 1.25
FOOT_RADIUS_M = 0.06
LIMBS_M = 1.15  # leg, thigh and half a torso
RESET_NOISE = 5e-3
VELOCITY_CLIP = 10.0

HOPPER_FEATURES = (
    Feature("torso_x", (), "m", "Forward position of the torso; 0 is the start."),
    Feature("torso_height", (), "m", "Height of the torso's centre; 1.25 when standing."),
    Feature(
        "torso_pitch",
        (),
        "rad",
        "Pitch of the torso, counted through full turns; 0 is upright, positive leans forward.",
    ),
    Feature("joint_angles", (3,), "rad", "Angles of thigh, leg and foot joint; 0 is stretched."),
    Feature("torso_velocity_x", (), "m/s", "Forward velocity of the torso at this instant."),
    Feature("torso_velocity_z", (), "m/s", "Upward velocity of the torso at this instant."),
    Feature("torso_pitch_rate", (), "rad/s", "Angular velocity of the torso, positive forward."),
    Feature("joint_velocities", (3,), "rad/s", "Velocities of thigh, leg and foot joint."),
    Feature(
        "forward_velocity",
        (),
        "m/s",
        "Displacement of the torso in the last control step divided by its duration.",
    ),
    Feature("foot_height", (), "m", "Height of the foot's lowest point above the floor."),
)
PREVIOUS_TORSO_X = Tracker(
    Feature("previous_torso_x", (), "m", "torso_x one control step ago.", private=True),
    source="torso_x",
    rule=Rule.PREVIOUS,
)


class Hopper(Task):
    """Torso, thigh, leg and foot; three motors of 200 N·m; 15.8 kg; 0.008 s per control step."""

    decimation = 4
    features = HOPPER_FEATURES
    trackers = (PREVIOUS_TORSO_X,)

    def scene(self) -> mujoco.MjSpec:
        """Return Gymnasium's scene."""
        return gymnasium_scene("hopper.xml")

    def measure(self, physics: Physics, variables: Quantities) -> dict[str, Tensor]:
        """Name the generalized coordinates and velocities, and find the foot."""
        del variables
        qpos, qvel = physics.qpos, physics.qvel
        return {
            "torso_x": qpos[:, 0],
            "torso_height": qpos[:, 1],
            "torso_pitch": qpos[:, 2],
            "joint_angles": qpos[:, 3:],
            "torso_velocity_x": qvel[:, 0],
            "torso_velocity_z": qvel[:, 1],
            "torso_pitch_rate": qvel[:, 2],
            "joint_velocities": qvel[:, 3:],
            "foot_height": physics.lowest_point("foot_geom"),
        }

    def derive(self, quantities: Quantities) -> dict[str, Tensor]:
        """Compute the forward velocity from the displacement."""
        displacement = quantities.torso_x - quantities.previous_torso_x
        return {"forward_velocity": displacement / self.control_dt_s}

    def observation(self, features: FeatureView) -> Float[Tensor, "... 11"]:
        """Return Gymnasium's observation: positions but the forward one, clipped velocities."""
        return torch.cat(
            [
                features.torso_height.unsqueeze(-1),
                features.torso_pitch.unsqueeze(-1),
                features.joint_angles,
                velocities(features),
            ],
            dim=-1,
        )

    def reset(self, mask: Bool[Tensor, " R"], draw: Draw) -> Initial:
        """Stand, with every coordinate and velocity off by up to ±0.005."""
        del mask
        qpos = draw.uniform("qpos", (6,), -RESET_NOISE, RESET_NOISE)
        qpos[:, 1] += STANDING_HEIGHT_M
        return Initial(qpos=qpos, qvel=draw.uniform("qvel", (6,), -RESET_NOISE, RESET_NOISE))


def squat(bend_rad: Float[Tensor, " R"]) -> Float[Tensor, "R 6"]:
    """Return positions on a flat foot, the leg leant forward and all above it back by an angle."""
    none = torch.zeros_like(bend_rad)
    height = FOOT_RADIUS_M + LIMBS_M * torch.cos(bend_rad)
    return torch.stack([none, height, -bend_rad, none, -2.0 * bend_rad, bend_rad], dim=1)


def velocities(features: FeatureView) -> Float[Tensor, "... 6"]:
    """Return all generalized velocities, clipped to ±10 as Gymnasium's observation has them."""
    return torch.cat(
        [
            features.torso_velocity_x.unsqueeze(-1),
            features.torso_velocity_z.unsqueeze(-1),
            features.torso_pitch_rate.unsqueeze(-1),
            features.joint_velocities,
        ],
        dim=-1,
    ).clamp(-VELOCITY_CLIP, VELOCITY_CLIP)
