"""The chest with one drawer that two tasks share."""

from __future__ import annotations

from rewardgen_envs.metaworld.mechanism import Mechanism


class Drawer(Mechanism):
    """A drawer 0.9 m ahead of the robot, up to 0.1 m to either side."""

    scene_file = "drawer.xml"
    base = "drawer"
    joint = "goal_slidey"
    place_low = (-0.1, 0.9, 0.0)
    place_high = (0.1, 0.9, 0.0)
