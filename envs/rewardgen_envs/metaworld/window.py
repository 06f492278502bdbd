"""The sliding window that two tasks share."""

from __future__ import annotations

from rewardgen_envs.metaworld.mechanism import Mechanism
from rewardgen_envs.metaworld.sawyer import NEAR_THE_ROBOT


class Window(Mechanism):
    """An upright frame in which a pane with a handle slides sideways by 0.2 m."""

    scene_file = "window.xml"
    base = "window"
    joint = "window_slide"
    goal_axes = (0,)
    hand_start = NEAR_THE_ROBOT
