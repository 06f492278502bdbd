"""``hopper/front-flip``: turn over forwards and land on the foot."""

from __future__ import annotations

from rewardgen_envs.hopper.flip import Flip, Turning, flip_features, flip_trackers, landed_flips
from rewardgen_envs.hopper.hopper import HERE

FORWARD = Turning("forward", 1.0)


class FrontFlip(Flip):
    """A landed flip: after a full forward turn, stand on the foot for 0.2 s."""

    name = "hopper/front-flip"
    description = (
        "Make the one-legged robot do a somersault forwards: turn over in the air, head first, and "
        "land standing on its foot, as often as possible. It counts once it has stood for 0.2 s."
    )
    turning = FORWARD
    features = flip_features(FORWARD)
    trackers = flip_trackers(FORWARD)
    metrics = (landed_flips(FORWARD),)
    human_reward = HERE / "front_flip_reward.py"
