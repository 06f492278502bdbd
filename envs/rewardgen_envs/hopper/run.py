"""``hopper/run``: hop forward. The task of Gymnasium's ``Hopper-v5``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from jaxtyping import Bool
from torch import Tensor

from rewardgen_envs.features import FeatureView
from rewardgen_envs.hopper.hopper import HERE, Hopper
from rewardgen_envs.metrics import Metric

LOWEST_HEALTHY_M = 0.7
LARGEST_HEALTHY_PITCH_RAD = 0.2
LARGEST_HEALTHY_VALUE = 100.0


class Run(Hopper):
    """Hop forward without falling."""

    name = "hopper/run"
    description = "Make the one-legged robot hop forward as fast as possible without falling."
    episode_s = 8.0
    fitness_in_features = True
    causes: ClassVar[Mapping[str, str]] = {
        "torso_low": "The torso is lower than 0.7 m.",
        "torso_tilted": "The torso is tilted by 0.2 rad or more.",
        "out_of_range": "An angle or velocity is as large as 100 rad, rad/s or m/s.",
    }
    metrics = (
        Metric(
            name="speed",
            unit="m/s",
            description="Forward displacement of the torso divided by the full episode time.",
            success=1.0,
        ),
    )
    human_reward = HERE / "run_reward.py"

    def terminations(self, features: FeatureView) -> dict[str, Bool[Tensor, "..."]]:
        """End the episode where Gymnasium calls the state unhealthy."""
        pitch = features.torso_pitch.abs()
        largest = torch.cat(
            [
                pitch.unsqueeze(-1),
                features.joint_angles.abs(),
                features.torso_velocity_x.abs().unsqueeze(-1),
                features.torso_velocity_z.abs().unsqueeze(-1),
                features.torso_pitch_rate.abs().unsqueeze(-1),
                features.joint_velocities.abs(),
            ],
            dim=-1,
        ).amax(-1)
        return {
            "torso_low": features.torso_height <= LOWEST_HEALTHY_M,
            "torso_tilted": pitch >= LARGEST_HEALTHY_PITCH_RAD,
            "out_of_range": largest >= LARGEST_HEALTHY_VALUE,
        }

    def fitness(self, features: FeatureView) -> dict[str, Tensor]:
        """Return the forward velocity; its average over the episode is the fitness."""
        return {"speed": features.forward_velocity}
