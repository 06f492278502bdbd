"""``metaworld/drawer-close``: push the open drawer shut, as ``drawer-close-v3``."""

from __future__ import annotations

from torch import Tensor

from rewardgen_envs.features import FeatureView
from rewardgen_envs.metaworld.drawer import Drawer
from rewardgen_envs.metaworld.mechanism import Point, mechanism_features
from rewardgen_envs.metaworld.sawyer import HERE, held_metrics


class DrawerClose(Drawer):
    """The drawer is 15 cm open; it counts as shut when less than about 3 cm are left."""

    name = "metaworld/drawer-close"
    description = "Push the open drawer back into the chest until it is shut."
    features = mechanism_features(
        handle="the point 5 cm above the middle of the drawer's handle",
        goal="5 cm below where that point is when the drawer is shut",
        goal_distance="Distance from the handle to the goal, 0.05 at best; shut up to 0.065.",
        joint="How far the drawer is pushed in: 0 is shut, -0.16 is fully open.",
        unit="m",
    )
    metrics = held_metrics("shut_share", "shut", "the drawer is shut")
    human_reward = HERE / "drawer_close_reward.py"
    handle = Point("drawer_link", (0.0, -0.16, 0.05))
    goal = Point("drawer", (0.0, -0.16, 0.09))
    joint_start = -0.15

    def fitness(self, features: FeatureView) -> dict[str, Tensor]:
        """Return whether the drawer is shut."""
        is_shut = features.goal_distance <= 0.065
        return {"shut_share": is_shut, "shut": is_shut}
