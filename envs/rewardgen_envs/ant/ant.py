"""What the ant tasks share: scene, features, terminations, resets.

Scene, control step, terminations and resets are those of Gymnasium's ``Ant-v5``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import mujoco
from jaxtyping import Bool
from torch import Tensor

from rewardgen_envs.draw import Draw
from rewardgen_envs.features import Feature, FeatureView
from rewardgen_envs.free_root import (
    PREVIOUS_TORSO_POSITION,
    contact_features,
    gymnasium_robot,
    horizontal_velocities,
    measure_robot,
    root_features,
)
from rewardgen_envs.physics import Physics
from rewardgen_envs.quantities import Quantities
from rewardgen_envs.task import Initial, Task

HERE = Path(__file__).parent
START_HEIGHT_M = 0.75
LOWEST_HEALTHY_M = 0.2
HIGHEST_HEALTHY_M = 1.0
RESET_NOISE = 0.1
LEGS = "front left, back left, back right and front right leg"  # by position; x is forward
JOINTS = f"hip and ankle of {LEGS}, in turn"
_BODIES = f"torso, then trunk end, thigh and shin of {LEGS}, in turn"
SHINS = slice(3, None, 3)  # among the 13 bodies: those that the robot walks on

ANT_FEATURES = (
    *root_features(8, JOINTS, moving="torso"),
    *contact_features(13, _BODIES),
    Feature(
        "foot_contact",
        (4,),
        "bool",
        f"1 where the shin of the {LEGS} carries load.",
        needs_acceleration=True,
    ),
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
        """Return Gymnasium's scene."""
        return gymnasium_robot("ant.xml")

    def measure(self, physics: Physics, variables: Quantities) -> dict[str, Tensor]:
        """Name the generalized coordinates, velocities and contact forces."""
        del variables
        measured = measure_robot(physics)
        loads = measured["contact_forces"][:, SHINS, 2]
        return measured | {"foot_contact": loads != 0.0}

    def derive(self, quantities: Quantities) -> dict[str, Tensor]:
        """Compute velocities from the displacement."""
        before, after = quantities.previous_torso_position, quantities.torso_position
        return horizontal_velocities(before, after, self.control_dt_s)

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
