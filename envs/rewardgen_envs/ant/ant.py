"""What the ant tasks share: scene, features, terminations, resets.

Scene, control step, terminations and resets are those of Gymnasium's ``Ant-v5``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

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
START_HEIGHT_M = 0.75
LOWEST_HEALTHY_M = 0.2
HIGHEST_HEALTHY_M = 1.0
RESET_NOISE = 0.1
_LEGS = "front left, back left, back right and front right leg"  # by position; x is forward
_JOINTS = f"hip and ankle of {_LEGS}, in turn"
_BODIES = f"torso, then trunk end, thigh and shin of {_LEGS}, in turn"
_SHINS = slice(3, None, 3)  # among the 13 bodies: those that the robot walks on

ANT_FEATURES = (
    Feature("torso_position", (3,), "m", "Position of the torso; x is forward, z is up."),
    Feature("torso_quaternion", (4,), "1", "Orientation of the torso, scalar part first."),
    Feature("torso_up", (), "1", "Vertical part of the torso's up axis; 1 is upright."),
    Feature("joint_angles", (8,), "rad", f"Angles of {_JOINTS}."),
    Feature("torso_velocity", (3,), "m/s", "Velocity of the torso at this instant, world frame."),
    Feature("torso_angular_velocity", (3,), "rad/s", "Angular velocity, in the torso's frame."),
    Feature("joint_velocities", (8,), "rad/s", f"Velocities of {_JOINTS}."),
    Feature(
        "forward_velocity",
        (),
        "m/s",
        "Displacement of the torso along x in the last control step divided by its duration.",
    ),
    Feature(
        "sideways_velocity",
        (),
        "m/s",
        "Displacement of the torso along y in the last control step divided by its duration.",
    ),
    Feature(
        "contact_torques",
        (13, 3),
        "N·m",
        f"Torque of contacts about the robot's centre of mass on {_BODIES}.",
        needs_acceleration=True,
    ),
    Feature(
        "contact_forces",
        (13, 3),
        "N",
        f"Force of contacts on {_BODIES}.",
        needs_acceleration=True,
    ),
    Feature(
        "foot_contact",
        (4,),
        "bool",
        f"1 where the shin of the {_LEGS} carries load.",
        needs_acceleration=True,
    ),
)
PREVIOUS_TORSO_POSITION = Tracker(
    Feature("previous_torso_position", (3,), "m", "Position one control step ago.", private=True),
    source="torso_position",
    rule=Rule.PREVIOUS,
)


class Ant(Task):
    """A torso and four legs of two joints each; 0.05 s per control step."""

    decimation = 5
    episode_s = 50.0
    features = ANT_FEATURES
    trackers = (PREVIOUS_TORSO_POSITION,)
    causes: ClassVar[Mapping[str, str]] = {
        "torso_low": "The torso is lower than 0.2 m.",
        "torso_high": "The torso is higher than 1 m.",
    }

    def scene(self) -> mujoco.MjSpec:
        """Return Gymnasium's scene, with a sensor that makes MuJoCo compute contact forces."""
        spec = gymnasium_scene("ant.xml")
        spec.add_sensor(
            name="torso_acceleration",
            type=mujoco.mjtSensor.mjSENS_FRAMELINACC,
            objtype=mujoco.mjtObj.mjOBJ_XBODY,
            objname="torso",
        )
        return spec

    def measure(self, physics: Physics, variables: Quantities) -> dict[str, Tensor]:
        """Name the generalized coordinates, velocities and contact forces."""
        del variables
        qpos, qvel = physics.qpos, physics.qvel
        contact = physics.field("cfrc_ext")[:, 1:]  # row 0 is the world
        quaternion = qpos[:, 3:7]
        tilt = 2.0 * quaternion[:, 1:3].square().sum(1) / quaternion.square().sum(1)
        return {
            "torso_position": qpos[:, :3],
            "torso_quaternion": quaternion,
            "torso_up": 1.0 - tilt,
            "joint_angles": qpos[:, 7:],
            "torso_velocity": qvel[:, :3],
            "torso_angular_velocity": qvel[:, 3:6],
            "joint_velocities": qvel[:, 6:],
            "contact_torques": contact[:, :, :3],
            "contact_forces": contact[:, :, 3:],
            "foot_contact": contact[:, _SHINS, 5] != 0.0,
        }

    def derive(self, quantities: Quantities) -> dict[str, Tensor]:
        """Compute velocities from the displacement."""
        moved = quantities.torso_position - quantities.previous_torso_position
        velocity = moved / self.control_dt_s
        return {"forward_velocity": velocity[:, 0], "sideways_velocity": velocity[:, 1]}

    def terminations(self, features: FeatureView) -> dict[str, Bool[Tensor, "..."]]:
        """End the episode where Gymnasium calls the state unhealthy."""
        height = features.torso_position[..., 2]
        return {
            "torso_low": height < LOWEST_HEALTHY_M,
            "torso_high": height > HIGHEST_HEALTHY_M,
        }

    def reset(self, mask: Bool[Tensor, " R"], draw: Draw) -> Initial:
        """Start at 0.75 m, every coordinate off by up to ±0.1, velocities normal with std 0.1."""
        del mask
        qpos = draw.uniform("qpos", (15,), -RESET_NOISE, RESET_NOISE)
        qpos[:, 2] += START_HEIGHT_M
        qpos[:, 3] += 1.0
        return Initial(qpos=qpos, qvel=draw.normal("qvel", (14,), std=RESET_NOISE))


def proprioception(features: FeatureView) -> Float[Tensor, "... 27"]:
    """Return torso height, orientation, joint angles and all velocities, as Gymnasium does."""
    return torch.cat(
        [
            features.torso_position[..., 2:],
            features.torso_quaternion,
            features.joint_angles,
            features.torso_velocity,
            features.torso_angular_velocity,
            features.joint_velocities,
        ],
        dim=-1,
    )
