"""``ant/run``: run forward. The task of Gymnasium's ``Ant-v5``."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from rewardgen_envs.ant.ant import HERE, Ant
from rewardgen_envs.features import FeatureView
from rewardgen_envs.free_root import proprioception
from rewardgen_envs.metrics import Metric

CONTACT_CLIP = 1.0


class Run(Ant):
    """Run forward without falling."""

    name = "ant/run"
    description = "Make the four-legged ant run forward (along x) as fast as possible."
    fitness_in_features = True
    metrics = (
        Metric(
            name="speed",
            unit="m/s",
            description="Forward displacement of the torso divided by the full episode time.",
            success=2.0,
        ),
    )
    human_reward = HERE / "run_reward.py"

    def observation(self, features: FeatureView) -> Float[Tensor, "... 105"]:
        """Return Gymnasium's observation: proprioception and contact forces clipped to ±1."""
        contact = torch.cat([features.contact_torques, features.contact_forces], dim=-1)
        contact = contact.flatten(-2).clamp(-CONTACT_CLIP, CONTACT_CLIP)
        return torch.cat([proprioception(features), contact], dim=-1)

    def fitness(self, features: FeatureView) -> dict[str, Tensor]:
        """Return the forward velocity; its average over the episode is the fitness."""
        return {"speed": features.forward_velocity}
