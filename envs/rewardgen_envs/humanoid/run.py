"""``humanoid/run``: run forward. The task of Gymnasium's ``Humanoid-v5``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from jaxtyping import Bool
from torch import Tensor

from rewardgen_envs.features import FeatureView
from rewardgen_envs.humanoid.humanoid import HERE, Humanoid
from rewardgen_envs.metrics import Metric

LOWEST_HEALTHY_M = 1.0
HIGHEST_HEALTHY_M = 2.0


class Run(Humanoid):
    """Run forward without falling."""

    name = "humanoid/run"
    description = "Make the humanoid run forward (along x) as fast as possible without falling."
    episode_s = 15.0
    fitness_in_features = True
    causes: ClassVar[Mapping[str, str]] = {
        "torso_low": "The torso is lower than 1 m.",
        "torso_high": "The torso is higher than 2 m.",
    }
    metrics = (
        Metric(
            name="speed",
            unit="m/s",
            description="Forward displacement of the centre of mass per second of the episode.",
            success=2.0,
        ),
    )
    human_reward = HERE / "run_reward.py"

    def terminations(self, features: FeatureView) -> dict[str, Bool[Tensor, "..."]]:
        """End the episode where Gymnasium calls the state unhealthy."""
        height = features.torso_position[..., 2]
        return {
            "torso_low": height < LOWEST_HEALTHY_M,
            "torso_high": height > HIGHEST_HEALTHY_M,
        }

    def fitness(self, features: FeatureView) -> dict[str, Tensor]:
        """Return the forward velocity; its average over the episode is the fitness."""
        return {"speed": features.forward_velocity}
