"""What the humanoid tasks share: scene, features, observation, resets.

Scene and control step are those of Gymnasium's ``Humanoid-v5``. Its observation, of 348 numbers,
repeats what follows from positions and velocities; ours leaves that out.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import mujoco
import torch
from jaxtyping import Float
from torch import Tensor

from rewardgen_envs.draw import Draw
from rewardgen_envs.features import Feature, FeatureView
from rewardgen_envs.free_root import (
    contact_features,
    gymnasium_robot,
    horizontal_velocities,
    measure_robot,
    proprioception,
    root_features,
)
from rewardgen_envs.physics import Physics
from rewardgen_envs.quantities import Quantities
from rewardgen_envs.task import Initial, Task
from rewardgen_envs.trackers import Rule, Tracker

HERE = Path(__file__).parent
START_HEIGHT_M = 1.4
_BODIES = (
    "torso, waist and pelvis, then thigh, shin and foot of the right and of the left leg, then "
    "upper and lower arm of the right and of the left side"
)
JOINTS = (
    "abdomen z, y, x; right hip x, z, y and knee; left hip x, z, y and knee; right shoulder 1, 2 "
    "and elbow; left shoulder 1, 2 and elbow"
)
FEET = slice(5, 9, 3)  # among the 13 bodies: the right one, the left one


class Humanoid(Task):
    """A torso with two legs and two arms; 0.015 s per control step."""

    decimation = 5
    features: ClassVar[tuple[Feature, ...]] = (
        *root_features(17, JOINTS, moving="centre of mass"),
        *contact_features(13, _BODIES),
        Feature("head_height", (), "m", "Height of the head's centre; 1.6 when standing."),
        Feature("center_of_mass", (3,), "m", "Centre of mass of the whole robot."),
        Feature("foot_heights", (2,), "m", "Lowest points of the right and the left foot."),
        Feature(
            "foot_contact",
            (2,),
            "bool",
            "1 where the right and the left foot carries load.",
            needs_acceleration=True,
        ),
    )
    trackers = (
        Tracker(
            Feature("previous_center_of_mass", (3,), "m", "One control step ago.", private=True),
            source="center_of_mass",
            rule=Rule.PREVIOUS,
        ),
    )

    def scene(self) -> mujoco.MjSpec:
        """Return Gymnasium's scene."""
        return gymnasium_robot("humanoid.xml")

    def measure(self, physics: Physics, variables: Quantities) -> dict[str, Tensor]:
        """Name the generalized coordinates, velocities, heights and contact forces."""
        del variables
        measured = measure_robot(physics)
        feet = [physics.lowest_point("right_foot"), physics.lowest_point("left_foot")]
        loads = measured["contact_forces"][:, FEET, 2]
        return measured | {
            "head_height": physics.geom_position("head")[:, 2],
            "center_of_mass": physics.center_of_mass("torso"),
            "foot_heights": torch.stack(feet, dim=1),
            "foot_contact": loads != 0.0,
        }

    def derive(self, quantities: Quantities) -> dict[str, Tensor]:
        """Compute velocities from the displacement."""
        before, after = quantities.previous_center_of_mass, quantities.center_of_mass
        return horizontal_velocities(before, after, self.control_dt_s)

    def observation(self, features: FeatureView) -> Float[Tensor, "... 47"]:
        """Return torso height, orientation, joints, all velocities, and which feet stand."""
        return torch.cat([proprioception(features), features.foot_contact], dim=-1)

    def reset(self, mask: Tensor, draw: Draw) -> Initial:
        """Start upright, every coordinate and velocity off by up to ``self.noise``."""
        del mask
        model, noise = self.model, self.noise
        qpos = draw.uniform("qpos", (int(model.nq),), -noise, noise)
        qpos[:, 2] += START_HEIGHT_M
        qpos[:, 3] += 1.0
        return Initial(qpos=qpos, qvel=draw.uniform("qvel", (int(model.nv),), -noise, noise))

    @property
    def noise(self) -> float:
        """How far starts are spread, in the units of positions and velocities."""
        return 0.01
