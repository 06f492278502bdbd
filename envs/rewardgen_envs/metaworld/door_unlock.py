"""``metaworld/door-unlock``: turn the bolt of a safe's door, as ``door-unlock-v3``."""

from __future__ import annotations

from torch import Tensor

from rewardgen_envs.features import FeatureView
from rewardgen_envs.metaworld.mechanism import Mechanism, Point, mechanism_features
from rewardgen_envs.metaworld.sawyer import HERE, held_metrics


class DoorUnlock(Mechanism):
    """The bolt hangs down; unlocked is with its end within 2 cm of the goal, to the right."""

    name = "metaworld/door-unlock"
    description = "Unlock the safe's door: turn the bolt, which hangs down, up to the right."
    features = mechanism_features(
        handle="the free end of the bolt",
        goal="1 cm to the right of where that end is when the bolt is horizontal",
        goal_distance="Distance to the goal along x; the door is unlocked up to 0.02.",
        joint="Angle of the bolt: pi/2 hangs down, 0 is horizontal, to the right.",
        unit="rad",
    )
    metrics = held_metrics("unlocked_share", "unlocked", "the door is unlocked")
    human_reward = HERE / "door_unlock_reward.py"
    scene_file = "lock.xml"
    base = "door"
    joint = "lock_hinge"
    handle = Point("lock_link", (0.09, -0.04, -0.01))
    goal = Point("door", (0.1, -0.158, 0.061))
    goal_axes = (0,)
    place_low = (-0.1, 0.8, 0.15)
    place_high = (0.1, 0.85, 0.15)
    joint_start = 1.5708
    hand_low = (-0.5, 0.4, -0.15)

    def fitness(self, features: FeatureView) -> dict[str, Tensor]:
        """Return whether the door is unlocked."""
        is_unlocked = features.goal_distance <= 0.02
        return {"unlocked_share": is_unlocked, "unlocked": is_unlocked}
