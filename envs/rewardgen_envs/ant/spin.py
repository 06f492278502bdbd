"""``ant/spin``: turn about the vertical on the spot."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from rewardgen_envs.ant.ant import HERE
from rewardgen_envs.ant.behaviour import BEHAVIOUR_FEATURES, Behaviour
from rewardgen_envs.features import Feature, FeatureView
from rewardgen_envs.metrics import Metric
from rewardgen_envs.quantities import Quantities
from rewardgen_envs.trackers import Rule, Tracker

NEAR_M, UPRIGHT, FULL_TURN_RAD = 1.0, 0.8, 2.0 * math.pi
TURNING_RATE = Feature(
    "turning_rate", (), "rad/s", "Change of the heading in the last control step, positive left."
)
PREVIOUS_HEADING = Feature("previous_heading", (), "rad", "One control step ago.", private=True)


class Spin(Behaviour):
    """Turns to the left count, turns to the right count backwards."""

    name = "ant/spin"
    description = (
        "Make the ant spin to the left (counter-clockwise, seen from above) on the spot, upright, "
        "as fast as it can."
    )
    fitness_in_features = True
    features = (*BEHAVIOUR_FEATURES, TURNING_RATE)
    trackers = (*Behaviour.trackers, Tracker(PREVIOUS_HEADING, "heading", Rule.PREVIOUS))
    metrics = (
        Metric(
            name="turns",
            unit="1",
            description="Full turns to the left, made upright and within 1 m of the start.",
            success=3.0,
        ),
    )
    human_reward = HERE / "spin_reward.py"

    def derive(self, quantities: Quantities) -> dict[str, Tensor]:
        """Compute how fast the robot turns."""
        turn = quantities.heading - quantities.previous_heading
        turn = torch.atan2(torch.sin(turn), torch.cos(turn))
        return super().derive(quantities) | {"turning_rate": turn / self.control_dt_s}

    def fitness(self, features: FeatureView) -> dict[str, Tensor]:
        """Return the turns that this pace would make; averaged over the episode, those made."""
        counts = (features.torso_up > UPRIGHT) & (features.start_distance < NEAR_M)
        return {"turns": features.turning_rate * counts * self.episode_s / FULL_TURN_RAD}
