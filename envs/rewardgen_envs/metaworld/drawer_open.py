"""``metaworld/drawer-open``: pull the drawer out by its handle, as ``drawer-open-v3``."""

from __future__ import annotations

from torch import Tensor

from rewardgen_envs.features import FeatureView
from rewardgen_envs.metaworld.drawer import Drawer
from rewardgen_envs.metaworld.mechanism import Point, mechanism_features
from rewardgen_envs.metaworld.sawyer import HERE, held_metrics


class DrawerOpen(Drawer):
    """The drawer is shut; it counts as open with its handle within 3 cm of the goal."""

    name = "metaworld/drawer-open"
    description = "Pull the drawer open by its handle as far as it goes, and keep it open."
    features = mechanism_features(
        handle="the middle of the drawer's handle",
        goal="3 cm beyond where the handle is when the drawer is fully open",
        goal_distance="Distance from the handle to the goal; the drawer is open up to 0.03.",
        joint="How far the drawer is pushed in: 0 is shut, -0.16 is fully open.",
        unit="m",
    )
    metrics = held_metrics("open_share", "opened", "the drawer is open")
    human_reward = HERE / "drawer_open_reward.py"
    handle = Point("drawer_link", (0.0, -0.16, 0.0))
    goal = Point("drawer", (0.0, -0.36, 0.09))

    def fitness(self, features: FeatureView) -> dict[str, Tensor]:
        """Return whether the drawer is open."""
        is_open = features.goal_distance <= 0.03
        return {"open_share": is_open, "opened": is_open}
