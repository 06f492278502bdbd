"""Running to a far target, as the Ant and Humanoid tasks of IsaacGymEnvs see and measure it.

The target lies 1000 m ahead of the start. What counts is progress, the change of the distance to
it: their potential is the negative distance. Control rate, episode length, starts and observation
are theirs as well; robots and contacts are those of our families.
"""

from __future__ import annotations

import mujoco
import torch
from jaxtyping import Float
from torch import Tensor

from rewardgen_envs.draw import Draw
from rewardgen_envs.features import Feature, FeatureView
from rewardgen_envs.free_root import along_heading, heading_angle, in_torso_frame, up_in_torso
from rewardgen_envs.metrics import Metric
from rewardgen_envs.quantities import Quantities
from rewardgen_envs.task import Initial

TARGET_M = (1000.0, 0.0)
CONTROL_HZ = 60.0
SUBSTEPS = 2
EPISODE_S = 1000.0 / CONTROL_HZ
START_RAD, START_RAD_S = 0.2, 0.1
CONTACT_SCALE, CONTACT_CLIP = 0.01, 5.0


def target_features(joints: int, angles_of: str) -> tuple[Feature, ...]:
    """Return the features that a far target adds.

    Args:
        joints: number of joints.
        angles_of: which they are, in order.
    """
    return (
        Feature(
            "target_distance",
            (),
            "m",
            "Horizontal distance from the torso to the target, which is 1000 m ahead of the start.",
        ),
        Feature("progress", (), "m/s", "How fast that distance shrank in the last control step."),
        Feature(
            "target_angle",
            (),
            "rad",
            "Angle from the torso's heading to the direction of the target, positive left.",
        ),
        Feature(
            "target_facing", (), "1", "Part of the torso's forward axis that points to the target."
        ),
        Feature(
            "joint_positions",
            (joints,),
            "1",
            f"Angles of {angles_of}, scaled so that -1 and 1 are the joint's limits.",
        ),
    )


def distance_gained(success_m: float) -> Metric:
    """Return the fitness: metres of progress in an episode."""
    return Metric(
        name="distance_gained",
        unit="m",
        description="By how much the torso's distance to the target shrank within the episode.",
        success=success_m,
    )


def at_sixty_hertz(spec: mujoco.MjSpec) -> mujoco.MjSpec:
    """Return the scene with physics steps of 1/120 s."""
    spec.option.timestep = 1.0 / (CONTROL_HZ * SUBSTEPS)
    return spec


def joint_limits(model: mujoco.MjModel, like: Tensor) -> tuple[Tensor, Tensor]:
    """Return the lower and the upper limits (J,) of all joints but the root."""
    limits = torch.as_tensor(model.jnt_range[1:].copy(), dtype=like.dtype, device=like.device)
    return limits[:, 0], limits[:, 1]


def derive_target(quantities: Quantities, model: mujoco.MjModel) -> dict[str, Tensor]:
    """Compute the features that a far target adds, row by row."""
    here, before = quantities.torso_position[:, :2], quantities.previous_torso_position[:, :2]
    target = torch.tensor(TARGET_M, dtype=here.dtype, device=here.device)
    away, away_before = target - here, target - before
    distance, distance_before = away.square().sum(1).sqrt(), away_before.square().sum(1).sqrt()
    # by the difference of the squares: two distances of 1000 m are too large to be subtracted
    gained = ((here - before) * (away + away_before)).sum(1) / (distance + distance_before)
    direction, turn = away / distance.unsqueeze(1), quantities.torso_quaternion
    seen = along_heading(direction, turn)
    level = torch.cat([direction, torch.zeros_like(direction[:, :1])], dim=1)
    low, high = joint_limits(model, quantities.joint_angles)
    return {
        "target_distance": distance,
        "progress": gained * CONTROL_HZ,
        "target_angle": torch.atan2(seen[:, 1], seen[:, 0]),
        "target_facing": in_torso_frame(level, turn)[:, 0],
        "joint_positions": (2.0 * quantities.joint_angles - high - low) / (high - low),
    }


def target_observation(features: FeatureView, feet: slice) -> Float[Tensor, "... D"]:
    """Return what the policies of those tasks see.

    Args:
        features: of a task with a far target.
        feet: the feet among the bodies of the contact features.
    """
    turn = features.torso_quaternion
    up = up_in_torso(turn)
    scalars = [
        features.torso_position[..., 2],
        heading_angle(turn),
        torch.atan2(up[..., 1], up[..., 2]),
        features.target_angle,
        features.torso_up,
        features.target_facing,
    ]
    forces, torques = features.contact_forces, features.contact_torques
    contact = CONTACT_SCALE * torch.cat([forces[..., feet, :], torques[..., feet, :]], dim=-1)
    return torch.cat(
        [
            torch.stack(scalars, dim=-1),
            in_torso_frame(features.torso_velocity, turn),
            features.torso_angular_velocity,
            features.joint_positions,
            features.joint_velocities,
            contact.clamp(-CONTACT_CLIP, CONTACT_CLIP).flatten(-2),
            features.last_action,
        ],
        dim=-1,
    )


def start_upright(model: mujoco.MjModel, draw: Draw, height_m: float) -> Initial:
    """Start upright, every joint near 0 or the limit next to it, off by up to ±0.2 rad."""
    noise = draw.uniform("joints", (int(model.nq) - 7,), -START_RAD, START_RAD)
    low, high = joint_limits(model, noise)
    joints = torch.zeros_like(noise).clamp(low, high) + noise
    root = torch.tensor(
        [0.0, 0.0, height_m, 1.0, 0.0, 0.0, 0.0], dtype=noise.dtype, device=noise.device
    )
    speeds = draw.uniform("speeds", (int(model.nv) - 6,), -START_RAD_S, START_RAD_S)
    still = torch.zeros_like(speeds[:, :1]).expand(-1, 6)
    return Initial(
        qpos=torch.cat([root.expand(len(noise), -1), joints.clamp(low, high)], dim=1),
        qvel=torch.cat([still, speeds], dim=1),
    )
