"""``panda/lift-cube``: take the cube off the table and hold it up."""

from __future__ import annotations

from torch import Tensor

from rewardgen_envs.features import FeatureView
from rewardgen_envs.metrics import Accumulation, Metric
from rewardgen_envs.panda.cube import Cube
from rewardgen_envs.panda.panda import HERE

LIFTED_M = 0.1


class LiftCube(Cube):
    """The cube counts as lifted from 0.1 m above the table on."""

    name = "panda/lift-cube"
    description = (
        "Make the robot arm grasp the cube on the table, lift it by more than 0.1 m and keep "
        "holding it up."
    )
    episode_s = 5.0
    metrics = (
        Metric(
            name="held_up",
            unit="1",
            description="Longest time for which the cube stayed 0.1 m above the table, as a share "
            "of the episode.",
            accumulation=Accumulation.LONGEST_STREAK,
            success=0.4,
        ),
    )
    human_reward = HERE / "lift_cube_reward.py"

    def fitness(self, features: FeatureView) -> dict[str, Tensor]:
        """Return 1 while the cube is up."""
        return {"held_up": features.cube_height > LIFTED_M}
