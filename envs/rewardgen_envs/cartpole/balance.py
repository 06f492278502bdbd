"""``cartpole/balance``: keep the pole upright from the start."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from jaxtyping import Bool
from torch import Tensor

from rewardgen_envs.cartpole.cartpole import HERE, Cartpole, upright
from rewardgen_envs.draw import Draw
from rewardgen_envs.features import FeatureView
from rewardgen_envs.metrics import Metric
from rewardgen_envs.task import Initial

FALLEN_COSINE = 0.7
MIDDLE_M = 0.25
"""How far from the middle is still there: the range of dm_control's sparse balance."""


class Balance(Cartpole):
    """The pole starts almost upright; the episode ends when it has fallen."""

    name = "cartpole/balance"
    version = 2
    description = "Keep the pole upright, with the cart near the middle of the rail."
    causes: ClassVar[Mapping[str, str]] = {
        "pole_fallen": "The pole is more than about 45 degrees from upright."
    }
    metrics = (
        Metric(
            name="balanced_share",
            unit="1",
            description=(
                "Share of the episode with the pole within 12 degrees of upright and the cart "
                f"within {MIDDLE_M} m of the middle of the rail."
            ),
            success=0.9,
        ),
    )
    human_reward = HERE / "balance_reward.py"

    def fitness(self, features: FeatureView) -> dict[str, Tensor]:
        """Return 1 while the pole is upright over the middle of the rail."""
        return {"balanced_share": upright(features) & (features.cart_position.abs() <= MIDDLE_M)}

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
