"""``metaworld/window-close``: slide the pane to the left, as ``window-close-v3``."""

from __future__ import annotations

from torch import Tensor

from rewardgen_envs.features import FeatureView
from rewardgen_envs.metaworld.mechanism import Point, mechanism_features
from rewardgen_envs.metaworld.sawyer import HERE, held_metrics
from rewardgen_envs.metaworld.window import Window


class WindowClose(Window):
    """The window is fully open; it counts as shut when less than 4 cm are left."""

    name = "metaworld/window-close"
    description = "Push the window's handle to the left until the window is closed."
    features = mechanism_features(
        handle="the right side of the window's handle, from which it is pushed",
        goal="1 cm to the left of where that side is when the window is shut",
        goal_distance="Distance to the goal along x; the window is shut up to 0.05.",
        joint="How far the pane has slid to the right: 0 is shut, 0.2 is fully open.",
        unit="m",
    )
    metrics = held_metrics("shut_share", "shut", "the window is shut")
    human_reward = HERE / "window_close_reward.py"
    handle = Point("windowb_a", (0.01, -0.095, 0.0))
    goal = Point("window", (0.0, 0.0, 0.0))
    place_low = (0.0, 0.75, 0.2)
    place_high = (0.0, 0.9, 0.2)
    joint_start = 0.2

    def fitness(self, features: FeatureView) -> dict[str, Tensor]:
        """Return whether the window is shut."""
        window_is_shut = features.goal_distance <= 0.05
        return {"shut_share": window_is_shut, "shut": window_is_shut}
