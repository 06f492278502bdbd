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
from rewardgen_envs.physics import Physics
from rewardgen_envs.quantities import Quantities
from rewardgen_envs.scene import gymnasium_scene
from rewardgen_envs.task import Initial, Task
from rewardgen_envs.trackers import Rule, Tracker

HERE = Path(__file__).parent
START_HEIGHT_M = 1.4
_BODIES = (
    "torso, waist and pelvis, then thigh, shin and foot of the right and of the left leg, then "
    "upper and lower arm of the right and of the left side"
)
_JOINTS = (
    "abdomen z, y, x; right hip x, z, y and knee; left hip x, z, y and knee; right shoulder 1, 2 "
    "and elbow; left shoulder 1, 2 and elbow"
)
_RIGHT_FOOT, _LEFT_FOOT = 5, 8  # among the 13 bodies


class Humanoid(Task):
    """A torso with two legs and two arms; 0.015 s per control step."""

    decimation = 5
    features: ClassVar[tuple[Feature, ...]] = (
        Feature("torso_position", (3,), "m", "Position of the torso; x is forward, z is up."),
        Feature("torso_quaternion", (4,), "1", "Orientation of the torso, scalar part first."),
        Feature("torso_up", (), "1", "Vertical part of the torso's up axis; 1 is upright."),
        Feature("head_height", (), "m", "Height of the head's centre; 1.6 when standing."),
        Feature("center_of_mass", (3,), "m", "Centre of mass of the whole robot."),
        Feature("joint_angles", (17,), "rad", f"Angles of {_JOINTS}."),
        Feature("torso_velocity", (3,), "m/s", "Velocity of the torso at this instant."),
        Feature("torso_angular_velocity", (3,), "rad/s", "Angular velocity in the torso's frame."),
        Feature("joint_velocities", (17,), "rad/s", f"Velocities of {_JOINTS}."),
        Feature(
            "forward_velocity",
            (),
            "m/s",
            "Displacement of the centre of mass along x in the last control step, per second.",
        ),
        Feature(
            "sideways_velocity",
            (),
            "m/s",
            "Displacement of the centre of mass along y in the last control step, per second.",
        ),
        Feature("foot_heights", (2,), "m", "Lowest points of the right and the left foot."),
        Feature(
            "foot_contact",
            (2,),
            "bool",
            "1 where the right and the left foot carries load.",
            needs_acceleration=True,
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
    )
    trackers = (
        Tracker(
            Feature("previous_center_of_mass", (3,), "m", "One control step ago.", private=True),
            source="center_of_mass",
            rule=Rule.PREVIOUS,
        ),
    )

    def scene(self) -> mujoco.MjSpec:
        """Return Gymnasium's scene, with a sensor that makes MuJoCo compute contact forces."""
        spec = gymnasium_scene("humanoid.xml")
        spec.add_sensor(
            name="torso_acceleration",
            type=mujoco.mjtSensor.mjSENS_FRAMELINACC,
            objtype=mujoco.mjtObj.mjOBJ_XBODY,
            objname="torso",
        )
        return spec

    def measure(self, physics: Physics, variables: Quantities) -> dict[str, Tensor]:
        """Name the generalized coordinates, velocities, heights and contact forces."""
        del variables
        qpos, qvel = physics.qpos, physics.qvel
        contact = physics.field("cfrc_ext")[:, 1:]  # row 0 is the world
        quaternion = qpos[:, 3:7]
        tilt = 2.0 * quaternion[:, 1:3].square().sum(1) / quaternion.square().sum(1)
        feet = [physics.lowest_point("right_foot"), physics.lowest_point("left_foot")]
        loads = contact[:, [_RIGHT_FOOT, _LEFT_FOOT], 5]
        return {
            "torso_position": qpos[:, :3],
            "torso_quaternion": quaternion,
            "torso_up": 1.0 - tilt,
            "head_height": physics.geom_position("head")[:, 2],
            "center_of_mass": physics.center_of_mass("torso"),
            "joint_angles": qpos[:, 7:],
            "torso_velocity": qvel[:, :3],
            "torso_angular_velocity": qvel[:, 3:6],
            "joint_velocities": qvel[:, 6:],
            "foot_heights": torch.stack(feet, dim=1),
            "foot_contact": loads != 0.0,
            "contact_torques": contact[:, :, :3],
            "contact_forces": contact[:, :, 3:],
        }

    def derive(self, quantities: Quantities) -> dict[str, Tensor]:
        """Compute velocities from the displacement."""
        moved = quantities.center_of_mass - quantities.previous_center_of_mass
        velocity = moved / self.control_dt_s
        return {"forward_velocity": velocity[:, 0], "sideways_velocity": velocity[:, 1]}

    def observation(self, features: FeatureView) -> Float[Tensor, "... 47"]:
        """Return torso height, orientation, joints, all velocities, and which feet stand."""
        return torch.cat(
            [
                features.torso_position[..., 2:],
                features.torso_quaternion,
                features.joint_angles,
                features.torso_velocity,
                features.torso_angular_velocity,
                features.joint_velocities,
                features.foot_contact,
            ],
            dim=-1,
        )

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
