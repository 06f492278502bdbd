"""``cartpole/swing-up``: from hanging down to upright, and stay there."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool
from torch import Tensor

from rewardgen_envs.cartpole.cartpole import HERE, Cartpole, upright
from rewardgen_envs.draw import Draw
from rewardgen_envs.features import FeatureView
from rewardgen_envs.metrics import Metric
from rewardgen_envs.task import Initial


class SwingUp(Cartpole):
    """The pole starts hanging; the motor is too weak to lift it at once."""

    name = "cartpole/swing-up"
    description = (
        "Swing the pole up from hanging down and keep it upright, with the cart near the middle."
    )
    metrics = (
        Metric(
            name="upright_share",
            unit="1",
            description="Share of the episode with the pole within 12 degrees of upright.",
            success=0.6,
        ),
    )
    human_reward = HERE / "swing_up_reward.py"

    def fitness(self, features: FeatureView) -> dict[str, Tensor]:
        """Return 1 while the pole is upright."""
        return {"upright_share": upright(features)}

    def reset(self, mask: Bool[Tensor, " R"], draw: Draw) -> Initial:
        """Hang the pole down within ±0.1 rad, the cart within ±0.1 m, almost at rest."""
        del mask
        cart = draw.uniform("cart_position", (1,), -0.1, 0.1)
        pole = math.pi + draw.uniform("pole_angle", (1,), -0.1, 0.1)
        return Initial(
            qpos=torch.cat([cart, pole], dim=1), qvel=draw.normal("velocity", (2,), std=0.01)
        )
