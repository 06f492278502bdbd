"""``metaworld/handle-pull``: lift the lever, as ``handle-pull-v3``."""

from __future__ import annotations

from torch import Tensor

from rewardgen_envs.features import FeatureView
from rewardgen_envs.metaworld.lever import Lever
from rewardgen_envs.metaworld.mechanism import Point, mechanism_features
from rewardgen_envs.metaworld.sawyer import HERE, held_metrics


class HandlePull(Lever):
    """The lever is down; it counts as up within 5 cm of the goal's height."""

    name = "metaworld/handle-pull"
    description = "Pull the lever, which is down, up to the height of the goal and keep it up."
    features = mechanism_features(
        handle="the right end of the lever's grip",
        goal="just below the middle of the grip, where it is when the lever is up",
        goal_distance="Difference of height to the goal; the lever is up up to 0.05.",
        joint="Height of the lever: 0 is up, -0.1 is down.",
        unit="m",
    )
    metrics = held_metrics("up_share", "pulled_up", "the lever is up")
    human_reward = HERE / "handle_pull_reward.py"
    handle = Point("handle_link", (0.05, -0.166, 0.014))
    goal = Point("box", (0.0, -0.216, 0.172))
    joint_start = -0.1

    def fitness(self, features: FeatureView) -> dict[str, Tensor]:
        """Return whether the lever is up."""
        is_up = features.goal_distance <= 0.05
        return {"up_share": is_up, "pulled_up": is_up}
