"""``cartpole/balance``: keep the pole upright from the start."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from jaxtyping import Bool
from torch import Tensor

from rewardgen_envs.cartpole.cartpole import HERE, Cartpole, upright_metric
from rewardgen_envs.draw import Draw
from rewardgen_envs.features import FeatureView
from rewardgen_envs.task import Initial

FALLEN_COSINE = 0.7


class Balance(Cartpole):
    """The pole starts almost upright; the episode ends when it has fallen."""

    name = "cartpole/balance"
    description = "Keep the pole upright, with the cart near the middle of the rail."
    causes: ClassVar[Mapping[str, str]] = {
        "pole_fallen": "The pole is more than about 45 degrees from upright."
    }
    metrics = (upright_metric(success=0.9),)
    human_reward = HERE / "balance_reward.py"

    def terminations(self, features: FeatureView) -> dict[str, Bool[Tensor, "..."]]:
        """End the episode when the pole has fallen."""
        return {"pole_fallen": features.pole_angle_cosine < FALLEN_COSINE}

    def reset(self, mask: Bool[Tensor, " R"], draw: Draw) -> Initial:
        """Tilt the pole by up to ±0.1 rad, cart within ±0.3 m, with small velocities."""
        del mask
        qpos = draw.uniform("position", (2,), -1.0, 1.0)
        qpos[:, 0] *= 0.3
        qpos[:, 1] *= 0.1
        return Initial(qpos=qpos, qvel=draw.normal("velocity", (2,), std=0.05))
