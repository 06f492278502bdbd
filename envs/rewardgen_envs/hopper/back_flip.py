"""``hopper/back-flip``: turn over backwards and land on the foot."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from rewardgen_envs.features import Feature, FeatureView
from rewardgen_envs.hopper.hopper import (
    HERE,
    HOPPER_FEATURES,
    PREVIOUS_TORSO_X,
    Hopper,
    velocities,
)
from rewardgen_envs.metrics import Accumulation, Metric
from rewardgen_envs.physics import Physics
from rewardgen_envs.quantities import Quantities
from rewardgen_envs.trackers import Rule, Tracker

FULL_TURN_RAD = 2.0 * math.pi
ON_FLOOR_M = 0.03
STANDING_TORSO_M = 0.6
STANDING_COSINE = 0.8
LANDED_STEPS = 25


def _standing_turns(quantities: Quantities) -> Float[Tensor, " R"]:
    """Return the number of backward turns after which the robot has stood long enough."""
    turns = (-quantities.torso_pitch / FULL_TURN_RAD).round().clamp(min=0.0)
    return turns * (quantities.standing_steps >= LANDED_STEPS)


class BackFlip(Hopper):
    """A landed flip: after a full backward turn, stand on the foot for 0.2 s."""

    name = "hopper/back-flip"
    description = (
        "Make the one-legged robot turn over backwards in the air and land on its foot, upright, "
        "as often as possible. A flip counts once the robot stood for 0.2 s after it."
    )
    episode_s = 4.0
    features = (
        *HOPPER_FEATURES,
        Feature(
            "backward_rotation",
            (),
            "rad",
            "How far the torso has turned backwards since the start; 2 pi is one full turn.",
        ),
        Feature("torso_up", (), "1", "Cosine of the torso's pitch: 1 upright, -1 upside down."),
        Feature("torso_lean", (), "1", "Sine of the torso's pitch: 1 is face down, horizontal."),
        Feature("torso_clearance", (), "m", "Height of the torso's lowest point above the floor."),
        Feature(
            "standing",
            (),
            "bool",
            "1 if the foot is on the floor, the torso upright within 37 degrees and above 0.6 m.",
        ),
    )
    trackers = (
        PREVIOUS_TORSO_X,
        Tracker(
            Feature("standing_steps", (), "1", "Control steps in a row that the robot has stood."),
            source="standing",
            rule=Rule.STREAK,
        ),
        Tracker(
            Feature("landed_flips", (), "1", "Backward turns landed so far.", private=True),
            source=_standing_turns,
            rule=Rule.MAXIMUM,
        ),
    )
    causes: ClassVar[Mapping[str, str]] = {"torso_down": "The torso touches the floor."}
    metrics = (
        Metric(
            name="landed_flips",
            unit="1",
            description="Number of backward turns that the robot landed.",
            accumulation=Accumulation.BEST,
            success=1.0,
        ),
    )
    human_reward = HERE / "back_flip_reward.py"

    def measure(self, physics: Physics, variables: Quantities) -> dict[str, Tensor]:
        """Add the rotation and whether the robot stands."""
        measured = super().measure(physics, variables)
        pitch = measured["torso_pitch"]
        up = torch.cos(pitch)
        return measured | {
            # the hinge counts full turns, so its angle is the accumulated rotation
            "backward_rotation": -pitch,
            "torso_up": up,
            "torso_lean": torch.sin(pitch),
            "torso_clearance": physics.lowest_point("torso_geom"),
            "standing": (measured["foot_height"] < ON_FLOOR_M)
            & (measured["torso_height"] > STANDING_TORSO_M)
            & (up > STANDING_COSINE),
        }

    def observation(self, features: FeatureView) -> Float[Tensor, "... 15"]:
        """Return torso height and pitch (as angle and on the circle), joints, velocities, foot."""
        torso = torch.stack(
            [
                features.torso_height,
                features.torso_up,
                features.torso_lean,
                features.backward_rotation,
                features.foot_height,
                features.standing,
            ],
            dim=-1,
        )
        return torch.cat([torso, features.joint_angles, velocities(features)], dim=-1)

    def terminations(self, features: FeatureView) -> dict[str, Bool[Tensor, "..."]]:
        """End the episode when the robot falls."""
        return {"torso_down": features.torso_clearance < 0.0}

    def fitness(self, features: FeatureView) -> dict[str, Tensor]:
        """Return the number of flips landed so far."""
        return {"landed_flips": features.landed_flips}

    def sparse_reward(
        self, state: FeatureView, action: Tensor, next_state: FeatureView
    ) -> Float[Tensor, "..."]:
        """Return the flips landed at this step."""
        del action
        return next_state.landed_flips - state.landed_flips
