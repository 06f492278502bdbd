"""``metaworld/window-open``: slide the pane to the right, as ``window-open-v3``."""

from __future__ import annotations

from torch import Tensor

from rewardgen_envs.features import FeatureView
from rewardgen_envs.metaworld.mechanism import Point, mechanism_features
from rewardgen_envs.metaworld.sawyer import HERE, held_metrics
from rewardgen_envs.metaworld.window import Window


class WindowOpen(Window):
    """The window is shut; it counts as open when the pane is within 1 cm of its end."""

    name = "metaworld/window-open"
    description = "Push the window's handle to the right until the window is open."
    features = mechanism_features(
        handle="the left side of the window's handle, from which it is pushed",
        goal="4 cm to the right of where that side is when the window is open",
        goal_distance="Distance to the goal along x; the window is open up to 0.05.",
        joint="How far the pane has slid to the right: 0 is shut, 0.2 is fully open.",
        unit="m",
    )
    metrics = held_metrics("open_share", "opened", "the window is open")
    human_reward = HERE / "window_open_reward.py"
    handle = Point("windowb_a", (-0.04, -0.095, 0.0))
    goal = Point("window", (0.2, 0.0, 0.0))
    place_low = (-0.1, 0.7, 0.16)
    place_high = (0.1, 0.9, 0.16)

    def fitness(self, features: FeatureView) -> dict[str, Tensor]:
        """Return whether the window is open."""
        window_is_open = features.goal_distance <= 0.05
        return {"open_share": window_is_open, "opened": window_is_open}
