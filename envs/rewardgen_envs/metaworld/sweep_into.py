"""``metaworld/sweep-into``: sweep a block into a hole in the table, as ``sweep-into-v3``."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from rewardgen_envs.draw import Draw
from rewardgen_envs.features import Feature, FeatureView
from rewardgen_envs.metaworld.sawyer import (
    HAND_FEATURES,
    HERE,
    MOCAP,
    Sawyer,
    arm_start,
    distance,
    held_metrics,
    see_hand,
)
from rewardgen_envs.physics import Physics
from rewardgen_envs.quantities import Quantities
from rewardgen_envs.task import Initial

HOLE_M = (0.0, 0.84)
BLOCK_HEIGHT_M = 0.0699
FARTHEST_M = 0.1  # to either side
NEAREST_M, AHEAD_M = 0.6, 0.7
NEAREST_TO_HOLE_M = 0.15
TRIES = 8  # all of them are too near to the hole in one episode of 10^11


class SweepInto(Sawyer):
    """A light block lies on the table; it is in within 5 cm of the hole's middle."""

    name = "metaworld/sweep-into"
    description = "Sweep the block across the table into the hole ahead of it."
    features = (
        *HAND_FEATURES,
        Feature("block_position", (3,), "m", "Position of the block's middle; 0.07 high at rest."),
        Feature("block_velocity", (3,), "m/s", "Velocity of the block."),
        Feature("hole_vector", (2,), "m", "From the block to the middle of the hole: x and y."),
        Feature("hole_distance", (), "m", "Its length; the block is in the hole up to 0.05."),
        Feature("reach_distance", (), "m", "Distance from between the fingertips to the block."),
    )
    metrics = held_metrics("in_hole_share", "swept_in", "the block is in the hole")
    human_reward = HERE / "sweep_into_reward.py"
    scene_file = "block.xml"

    def measure(self, physics: Physics, variables: Quantities) -> dict[str, Tensor]:
        """Add the block and the way to the hole."""
        hand = super().measure(physics, variables)
        block = physics.body_position("obj")
        away = torch.stack([HOLE_M[0] - block[:, 0], HOLE_M[1] - block[:, 1]], dim=1)
        return hand | {
            "block_position": block,
            "block_velocity": physics.joint_velocity("objjoint")[:, :3],
            "hole_vector": away,
            "hole_distance": away.square().sum(1).sqrt(),
            "reach_distance": distance(block, hand["fingertips"]),
        }

    def observation(self, features: FeatureView) -> Float[Tensor, "... 19"]:
        """Return the hand, the way from the fingertips to the block, its motion and the hole."""
        to_block = features.block_position - features.fingertips
        height = features.block_position[..., 2:]
        parts = (see_hand(features), to_block, height, features.block_velocity)
        return torch.cat([*parts, features.hole_vector], dim=-1)

    def reset(self, mask: Bool[Tensor, " R"], draw: Draw) -> Initial:
        """Lay the block anywhere within its range that is 15 cm from the hole's middle."""
        del mask
        x = draw.uniform("x", (TRIES,), -FARTHEST_M, FARTHEST_M)
        y = draw.uniform("y", (TRIES,), NEAREST_M, AHEAD_M)
        away = torch.hypot(x - HOLE_M[0], y - HOLE_M[1])
        first = (away >= NEAREST_TO_HOLE_M).to(torch.int64).argmax(1, keepdim=True)
        qpos, qvel, position = arm_start(self.hand_start, x)
        lying = x.new_tensor([BLOCK_HEIGHT_M, 1.0, 0.0, 0.0, 0.0]).expand(len(x), -1)
        return Initial(
            qpos=torch.cat([qpos, x.gather(1, first), y.gather(1, first), lying], dim=1),
            qvel=torch.cat([qvel, torch.zeros_like(x[:, :6])], dim=1),
            mocap={MOCAP: position},
        )

    def fitness(self, features: FeatureView) -> dict[str, Tensor]:
        """Return whether the block is in the hole."""
        is_in = features.hole_distance <= 0.05
        return {"in_hole_share": is_in, "swept_in": is_in}
