"""The box with a lever that slides up and down, which three tasks share."""

from __future__ import annotations

from rewardgen_envs.metaworld.mechanism import Mechanism


class Lever(Mechanism):
    """A lever that stays where it is put; only its height counts."""

    scene_file = "handle.xml"
    base = "box"
    joint = "handle_slide"
    goal_axes = (2,)
    place_low = (-0.1, 0.8, -0.001)
    place_high = (0.1, 0.9, 0.001)
