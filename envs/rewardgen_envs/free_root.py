"""Robots whose torso floats freely: what their scenes, features and observations share."""

from __future__ import annotations

import mujoco
import torch
from jaxtyping import Float
from torch import Tensor

from rewardgen_envs.features import Feature, FeatureView
from rewardgen_envs.physics import Physics
from rewardgen_envs.scene import gymnasium_scene
from rewardgen_envs.trackers import Rule, Tracker

PREVIOUS_TORSO_POSITION = Tracker(
    Feature("previous_torso_position", (3,), "m", "Position one control step ago.", private=True),
    source="torso_position",
    rule=Rule.PREVIOUS,
)


def gymnasium_robot(file_name: str) -> mujoco.MjSpec:
    """Return one of Gymnasium's scenes, with a sensor that makes MuJoCo compute contact forces."""
    spec = gymnasium_scene(file_name)
    spec.add_sensor(
        name="torso_acceleration",
        type=mujoco.mjtSensor.mjSENS_FRAMELINACC,
        objtype=mujoco.mjtObj.mjOBJ_XBODY,
        objname="torso",
    )
    return spec


def root_features(joints: int, angles_of: str, moving: str) -> tuple[Feature, ...]:
    """Return the features of torso and joints.

    Args:
        joints: number of joints.
        angles_of: which they are, in order.
        moving: the point that ``forward_velocity`` and ``sideways_velocity`` follow.
    """
    return (
        Feature("torso_position", (3,), "m", "Position of the torso; x is forward, z is up."),
        Feature("torso_quaternion", (4,), "1", "Orientation of the torso, scalar part first."),
        Feature("torso_up", (), "1", "Vertical part of the torso's up axis; 1 is upright."),
        Feature("joint_angles", (joints,), "rad", f"Angles of {angles_of}."),
        Feature(
            "torso_velocity", (3,), "m/s", "Velocity of the torso at this instant, world frame."
        ),
        Feature("torso_angular_velocity", (3,), "rad/s", "Angular velocity, in the torso's frame."),
        Feature("joint_velocities", (joints,), "rad/s", f"Velocities of {angles_of}."),
        *(
            Feature(
                f"{direction}_velocity",
                (),
                "m/s",
                f"Displacement of the {moving} along {axis} in the last control step divided by "
                "its duration.",
            )
            for direction, axis in (("forward", "x"), ("sideways", "y"))
        ),
    )


def contact_features(bodies: int, bodies_are: str) -> tuple[Feature, ...]:
    """Return the features of what presses on each body.

    Args:
        bodies: number of bodies.
        bodies_are: which they are, in order.
    """
    return (
        Feature(
            "contact_torques",
            (bodies, 3),
            "N·m",
            f"Torque of contacts about the robot's centre of mass on {bodies_are}.",
            needs_acceleration=True,
        ),
        Feature(
            "contact_forces",
            (bodies, 3),
            "N",
            f"Force of contacts on {bodies_are}.",
            needs_acceleration=True,
        ),
    )


def measure_robot(physics: Physics) -> dict[str, Tensor]:
    """Name the generalized coordinates, velocities and contact forces."""
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
    }


def horizontal_velocities(before: Tensor, after: Tensor, duration_s: float) -> dict[str, Tensor]:
    """Compute velocities from a displacement between two positions (..., 3)."""
    velocity = (after - before) / duration_s
    return {"forward_velocity": velocity[:, 0], "sideways_velocity": velocity[:, 1]}


def along_heading(
    vector: Float[Tensor, "... 2"], quaternion: Float[Tensor, "... 4"]
) -> Float[Tensor, "... 2"]:
    """Turn a horizontal vector of the world into the frame of the torso's heading: ahead, left."""
    ahead = torch.nn.functional.normalize(_ahead(quaternion), dim=-1)
    left = torch.stack([-ahead[..., 1], ahead[..., 0]], dim=-1)
    return torch.stack([(vector * ahead).sum(-1), (vector * left).sum(-1)], dim=-1)


def heading_angle(quaternion: Float[Tensor, "... 4"]) -> Float[Tensor, "..."]:
    """Return the angle in rad from the world's x axis to the torso's heading, positive left."""
    ahead = _ahead(quaternion)
    return torch.atan2(ahead[..., 1], ahead[..., 0])


def in_torso_frame(
    vector: Float[Tensor, "... 3"], quaternion: Float[Tensor, "... 4"]
) -> Float[Tensor, "... 3"]:
    """Turn a vector of the world into the torso's frame; the quaternion has any length."""
    w, axis = quaternion[..., :1], quaternion[..., 1:]
    twice = 2.0 * torch.cross(axis, vector, dim=-1) / quaternion.square().sum(-1, keepdim=True)
    return vector - w * twice + torch.cross(axis, twice, dim=-1)


def up_in_torso(quaternion: Float[Tensor, "... 4"]) -> Float[Tensor, "... 3"]:
    """Return the direction of the vertical in the torso's frame."""
    vertical = torch.zeros_like(quaternion[..., 1:])
    vertical[..., 2] = 1.0
    return in_torso_frame(vertical, quaternion)


def _ahead(quaternion: Float[Tensor, "... 4"]) -> Float[Tensor, "... 2"]:
    """Return the horizontal part of the torso's x axis, up to a positive factor."""
    w, x, y, z = quaternion.unbind(-1)
    return torch.stack([w * w + x * x - y * y - z * z, 2.0 * (x * y + w * z)], dim=-1)


def proprioception(features: FeatureView) -> Float[Tensor, "... D"]:
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
