"""``metaworld/button-press``: push the button into its box, as ``button-press-v3``."""

from __future__ import annotations

from torch import Tensor

from rewardgen_envs.features import FeatureView
from rewardgen_envs.metaworld.mechanism import Mechanism, Point, mechanism_features
from rewardgen_envs.metaworld.sawyer import HERE, NEAR_THE_ROBOT, held_metrics


class ButtonPress(Mechanism):
    """The button faces the robot and springs back; pressed is within 2 cm of the hole's ground."""

    name = "metaworld/button-press"
    description = "Press the red button on the front of the box all the way in and hold it there."
    features = mechanism_features(
        handle="the front of the button",
        goal="the ground of the hole in the box behind the button",
        goal_distance="Distance to the goal along y; the button is pressed up to 0.02.",
        joint="How far the button stands out: 0 is released, about -0.07 is pressed.",
        unit="m",
    )
    metrics = held_metrics("pressed_share", "pressed", "the button is pressed")
    human_reward = HERE / "button_press_reward.py"
    scene_file = "button.xml"
    base = "box"
    joint = "btnbox_joint"
    handle = Point("button", (0.0, -0.193, 0.0))
    goal = Point("box", (0.0, -0.1, 0.0))
    goal_axes = (1,)
    place_low = (-0.1, 0.85, 0.115)
    place_high = (0.1, 0.9, 0.115)
    hand_start = NEAR_THE_ROBOT

    def fitness(self, features: FeatureView) -> dict[str, Tensor]:
        """Return whether the button is pressed."""
        is_pressed = features.goal_distance <= 0.02
        return {"pressed_share": is_pressed, "pressed": is_pressed}
