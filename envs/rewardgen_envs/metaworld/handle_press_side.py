"""``metaworld/handle-press-side``: press a lever at the left, as ``handle-press-side-v3``."""

from __future__ import annotations

from torch import Tensor

from rewardgen_envs.features import FeatureView
from rewardgen_envs.metaworld.lever import Lever
from rewardgen_envs.metaworld.mechanism import Point, mechanism_features
from rewardgen_envs.metaworld.sawyer import HERE, held_metrics


class HandlePressSide(Lever):
    """The box stands at the left and its lever points to the right."""

    name = "metaworld/handle-press-side"
    description = (
        "Reach over to the lever at the left of the table and push it down sideways to the goal."
    )
    features = mechanism_features(
        handle="the top of the grip of the lever at the left",
        goal="just below the middle of the grip, where it is pressed down",
        goal_distance="Difference of height to the goal; the lever at the left is down up to 0.02.",
        joint="Height of the lever: 0 is up, -0.1 is down; pressed hard it yields further.",
        unit="m",
    )
    metrics = held_metrics("side_down_share", "side_pressed", "the lever at the left is down")
    human_reward = HERE / "handle_press_side_reward.py"
    scene_file = "handle_side.xml"
    handle = Point("handle_link", (0.0, -0.166, 0.022))
    goal = Point("box", (0.0, -0.216, 0.075))
    place_low = (-0.35, 0.65, -0.001)
    place_high = (-0.25, 0.75, 0.001)
    joint_start = -0.001

    def fitness(self, features: FeatureView) -> dict[str, Tensor]:
        """Return whether the lever at the left is down."""
        side_is_down = features.goal_distance <= 0.02
        return {"side_down_share": side_is_down, "side_pressed": side_is_down}
