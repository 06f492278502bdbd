"""``metaworld/door-close``: swing the door of a safe shut, as ``door-close-v3``."""

from __future__ import annotations

from torch import Tensor

from rewardgen_envs.features import FeatureView
from rewardgen_envs.metaworld.mechanism import Mechanism, Point, mechanism_features
from rewardgen_envs.metaworld.sawyer import AT_THE_LEFT, HERE, held_metrics


class DoorClose(Mechanism):
    """The door stands open at a right angle; it counts as shut within 8 cm of the goal."""

    name = "metaworld/door-close"
    description = "Swing the safe's open door shut by pushing it with the hand."
    features = mechanism_features(
        handle="the door's handle",
        goal="near where the handle is when the door is shut",
        goal_distance="Distance from the handle to the goal; the door is shut up to 0.08.",
        joint="Angle of the door: -pi/2 is open at a right angle, 0 is shut.",
        unit="rad",
    )
    metrics = held_metrics("shut_share", "shut", "the door is shut")
    human_reward = HERE / "door_close_reward.py"
    scene_file = "door.xml"
    base = "door"
    joint = "doorjoint"
    handle = Point("door_link", (0.37572163, -0.107139895, 3.59487e-05))
    goal = Point("door", (0.2, -0.2, 0.0))
    place_low = (0.0, 0.85, 0.15)
    place_high = (0.1, 0.95, 0.15)
    joint_start = -1.5708
    hand_start = AT_THE_LEFT

    def fitness(self, features: FeatureView) -> dict[str, Tensor]:
        """Return whether the door is shut."""
        door_is_shut = features.goal_distance <= 0.08
        return {"shut_share": door_is_shut, "shut": door_is_shut}
