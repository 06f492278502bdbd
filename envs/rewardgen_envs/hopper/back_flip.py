"""``hopper/back-flip``: turn over backwards and land on the foot."""

from __future__ import annotations

from rewardgen_envs.hopper.flip import Flip, Turning, flip_features, flip_trackers, landed_flips
from rewardgen_envs.hopper.hopper import HERE

BACKWARD = Turning("backward", -1.0)


class BackFlip(Flip):
    """A landed flip: after a full backward turn, stand on the foot for 0.2 s."""

    name = "hopper/back-flip"
    description = (
        "Make the one-legged robot turn over backwards in the air and land on its foot, upright, "
        "as often as possible. A flip counts once the robot stood for 0.2 s after it."
    )
    turning = BACKWARD
    features = flip_features(BACKWARD)
    trackers = flip_trackers(BACKWARD)
    metrics = (landed_flips(BACKWARD),)
    human_reward = HERE / "back_flip_reward.py"
