"""``hopper/stand``: rise from a squat and stand still."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from jaxtyping import Bool
from torch import Tensor

from rewardgen_envs.draw import Draw
from rewardgen_envs.features import FeatureView
from rewardgen_envs.hopper.hopper import HERE, RESET_NOISE, Hopper, squat
from rewardgen_envs.metrics import Metric
from rewardgen_envs.task import Initial

SQUAT_RAD = (0.4, 0.7)
FALLEN_M, FALLEN_RAD = 0.5, 1.2
TALL_M, UPRIGHT_RAD, ON_FLOOR_M, ON_THE_SPOT_M, STILL_M_S = 1.15, 0.2, 0.03, 0.3, 0.2


class Stand(Hopper):
    """The robot starts in a squat, torso and thigh in line, from which it falls when idle."""

    name = "hopper/stand"
    description = (
        "Make the one-legged robot rise from its squat and then stand upright on its foot, still "
        "and where it started."
    )
    episode_s = 5.0
    causes: ClassVar[Mapping[str, str]] = {
        "fallen": "The torso is lower than 0.5 m or tilted by more than 1.2 rad."
    }
    metrics = (
        Metric(
            name="standing",
            unit="1",
            description=(
                "Share of the episode with the foot on the floor, the torso above 1.15 m, within "
                "0.2 rad of upright and 0.3 m of the start, and slower than 0.2 m/s."
            ),
            success=0.7,
        ),
    )
    human_reward = HERE / "stand_reward.py"

    def terminations(self, features: FeatureView) -> dict[str, Bool[Tensor, "..."]]:
        """End the episode when the robot falls."""
        tilted = features.torso_pitch.abs() > FALLEN_RAD
        return {"fallen": (features.torso_height < FALLEN_M) | tilted}

    def reset(self, mask: Bool[Tensor, " R"], draw: Draw) -> Initial:
        """Squat more or less deeply, every coordinate and velocity off by up to ±0.005."""
        del mask
        noise = draw.uniform("noise", (12,), -RESET_NOISE, RESET_NOISE)
        bend = draw.uniform("bend", (), *SQUAT_RAD)
        return Initial(qpos=squat(bend) + noise[:, :6], qvel=noise[:, 6:])

    def fitness(self, features: FeatureView) -> dict[str, Tensor]:
        """Return 1 while standing still on the spot; the episode's average is the fitness."""
        tall = (features.torso_height > TALL_M) & (features.foot_height < ON_FLOOR_M)
        upright = features.torso_pitch.abs() < UPRIGHT_RAD
        speed = torch.hypot(features.torso_velocity_x, features.torso_velocity_z)
        still = (speed < STILL_M_S) & (features.torso_x.abs() < ON_THE_SPOT_M)
        return {"standing": tall & upright & still}
