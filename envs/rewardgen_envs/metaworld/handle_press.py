"""``metaworld/handle-press``: press the lever down from above, as ``handle-press-v3``."""

from __future__ import annotations

from torch import Tensor

from rewardgen_envs.features import FeatureView
from rewardgen_envs.metaworld.lever import Lever
from rewardgen_envs.metaworld.mechanism import Point, mechanism_features
from rewardgen_envs.metaworld.sawyer import HERE, held_metrics


class HandlePress(Lever):
    """The lever is up and faces the robot; pressed is within 2 cm of the goal's height."""

    name = "metaworld/handle-press"
    description = (
        "Press the lever in front of the robot down to the height of the goal and leave it there; "
        "too deep does not count."
    )
    features = mechanism_features(
        handle="the top of the lever's grip",
        goal="just below the middle of the grip",
        goal_distance="Difference of height to the goal; the lever is down up to 0.02.",
        joint="Height of the lever: 0 is up, -0.1 is down; pressed hard it yields further.",
        unit="m",
    )
    metrics = held_metrics("down_share", "pressed_down", "the lever is down")
    human_reward = HERE / "handle_press_reward.py"
    handle = Point("handle_link", (0.0, -0.166, 0.022))
    goal = Point("box", (0.0, -0.216, 0.075))
    joint_start = -0.001

    def fitness(self, features: FeatureView) -> dict[str, Tensor]:
        """Return whether the lever is down."""
        is_down = features.goal_distance <= 0.02
        return {"down_share": is_down, "pressed_down": is_down}
