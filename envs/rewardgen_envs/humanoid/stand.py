"""``humanoid/stand``: stand upright and still."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from jaxtyping import Bool
from torch import Tensor

from rewardgen_envs.features import FeatureView
from rewardgen_envs.humanoid.humanoid import HERE, Humanoid
from rewardgen_envs.metrics import Metric

FALLEN_M = 0.8
STANDING_HEAD_M = 1.4
STANDING_UP = 0.9
STILL_M_S = 0.3


class Stand(Humanoid):
    """Stand where you are."""

    name = "humanoid/stand"
    description = "Make the humanoid stand upright on its feet without moving about."
    episode_s = 10.0
    causes: ClassVar[Mapping[str, str]] = {"fallen": "The torso is lower than 0.8 m."}
    metrics = (
        Metric(
            name="standing",
            unit="1",
            description=(
                "Share of the episode's time in which the head is above 1.4 m, the torso upright "
                "and the robot slower than 0.3 m/s."
            ),
            success=0.8,
        ),
    )
    human_reward = HERE / "stand_reward.py"

    @property
    def noise(self) -> float:
        """Starts are spread widely enough that no fixed pose survives."""
        return 0.05

    def terminations(self, features: FeatureView) -> dict[str, Bool[Tensor, "..."]]:
        """End the episode where the robot lies or kneels."""
        return {"fallen": features.torso_position[..., 2] < FALLEN_M}

    def fitness(self, features: FeatureView) -> dict[str, Tensor]:
        """Return 1 while standing still; the average over the episode is the fitness."""
        speed = torch.hypot(features.forward_velocity, features.sideways_velocity)
        standing = (features.head_height > STANDING_HEAD_M) & (features.torso_up > STANDING_UP)
        return {"standing": (standing & (speed < STILL_M_S)).to(torch.float32)}
