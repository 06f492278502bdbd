"""``panda/pick-cube``: take the cube off the table and bring it to a place in the air."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from rewardgen_envs.draw import Draw
from rewardgen_envs.features import Feature, FeatureView
from rewardgen_envs.metrics import Accumulation, Metric
from rewardgen_envs.panda.cube import CUBE_FEATURES, Cube
from rewardgen_envs.panda.panda import HERE
from rewardgen_envs.quantities import Quantities
from rewardgen_envs.task import Initial

AT_GOAL_M = 0.025
LOST_M = 1.0
LOWEST_GOAL_M, HIGHEST_GOAL_M = (0.4, -0.2, 0.1), (0.6, 0.2, 0.3)


class PickCube(Cube):
    """The goal is drawn in a box of 0.2 m by 0.4 m, 0.1 m to 0.3 m above the table."""

    name = "panda/pick-cube"
    description = (
        "Make the robot arm pick the cube up from the table, carry it to the goal position in the "
        "air and hold it there: within 2.5 cm at the end of the episode."
    )
    episode_s = 6.0
    features = (
        *CUBE_FEATURES,
        Feature("cube_to_goal", (3,), "m", "From the cube's centre to the goal."),
        Feature("cube_goal_distance", (), "m", "Length of the same vector."),
    )
    variables = (Feature("goal_position", (3,), "m", "Where the cube's centre shall be."),)
    fitness_in_features = True
    metrics = (
        Metric(
            name="final_distance",
            unit="m",
            description="Distance from the cube to the goal at the end of the episode; at most "
            "1 m, which a lost cube counts.",
            accumulation=Accumulation.FINAL,
            higher_is_better=False,
            success=AT_GOAL_M,
            after_termination=LOST_M,
        ),
    )
    human_reward = HERE / "pick_cube_reward.py"

    def derive(self, quantities: Quantities) -> dict[str, Tensor]:
        """Compute where the goal is, seen from the cube."""
        away = quantities.goal_position - quantities.cube_position
        return {"cube_to_goal": away, "cube_goal_distance": away.square().sum(1).sqrt()}

    def observation(self, features: FeatureView) -> Float[Tensor, "... O"]:
        """Add the way to the goal to what every task with the cube shows."""
        return torch.cat([super().observation(features), features.cube_to_goal], dim=-1)

    def reset(self, mask: Bool[Tensor, " R"], draw: Draw) -> Initial:
        """Draw a goal, too."""
        start = super().reset(mask, draw)
        share = draw.uniform("goal", (3,))
        lowest, highest = share.new_tensor(LOWEST_GOAL_M), share.new_tensor(HIGHEST_GOAL_M)
        goal = lowest + (highest - lowest) * share
        return Initial(start.qpos, start.qvel, {"goal_position": goal})

    def fitness(self, features: FeatureView) -> dict[str, Tensor]:
        """Return the distance that is left, at most 1 m; the last one is the fitness."""
        return {"final_distance": features.cube_goal_distance.clamp(max=LOST_M)}
