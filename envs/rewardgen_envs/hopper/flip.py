"""What the hopper's flips share: features, landing, fitness. They differ in the way they turn."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from rewardgen_envs.features import Feature, FeatureView
from rewardgen_envs.hopper.hopper import HOPPER_FEATURES, PREVIOUS_TORSO_X, Hopper, velocities
from rewardgen_envs.metrics import Accumulation, Metric
from rewardgen_envs.physics import Physics
from rewardgen_envs.quantities import Quantities
from rewardgen_envs.trackers import Rule, Tracker

FULL_TURN_RAD = 2.0 * math.pi
ON_FLOOR_M = 0.03
STANDING_TORSO_M = 0.6
STANDING_COSINE = 0.8
LANDED_STEPS = 25


@dataclass(frozen=True)
class Turning:
    """The way a flip turns.

    Attributes:
        word: ``forward`` or ``backward``, as names and sentences say it.
        sign: sign of the torso's pitch when it has turned that way.
    """

    word: str
    sign: float

    @property
    def rotation(self) -> str:
        """Name of the feature that says how far the torso has turned."""
        return f"{self.word}_rotation"


def flip_features(turning: Turning) -> tuple[Feature, ...]:
    """Return the features of a task of flips."""
    return (
        *HOPPER_FEATURES,
        Feature(
            turning.rotation,
            (),
            "rad",
            f"How far the torso has turned {turning.word}s since the start; 2 pi is one full turn.",
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


def flip_trackers(turning: Turning) -> tuple[Tracker, ...]:
    """Return what remembers how long the robot has stood, and the flips it has landed."""
    return (
        PREVIOUS_TORSO_X,
        Tracker(
            Feature("standing_steps", (), "1", "Control steps in a row that the robot has stood."),
            source="standing",
            rule=Rule.STREAK,
        ),
        Tracker(
            Feature(
                "landed_flips",
                (),
                "1",
                f"{turning.word.capitalize()} turns landed so far.",
                private=True,
            ),
            source=partial(_standing_turns, turning.sign),
            rule=Rule.MAXIMUM,
        ),
    )


def landed_flips(turning: Turning) -> Metric:
    """Return the fitness: the number of flips landed."""
    return Metric(
        name="landed_flips",
        unit="1",
        description=f"Number of {turning.word} turns that the robot landed.",
        accumulation=Accumulation.BEST,
        success=1.0,
    )


def _standing_turns(sign: float, quantities: Quantities) -> Float[Tensor, " R"]:
    """Return the number of turns after which the robot has stood long enough."""
    turns = (sign * quantities.torso_pitch / FULL_TURN_RAD).round().clamp(min=0.0)
    return turns * (quantities.standing_steps >= LANDED_STEPS)


class Flip(Hopper):
    """A landed flip: after a full turn, stand on the foot for 0.2 s.

    Attributes:
        turning: the way it turns.
    """

    turning: ClassVar[Turning]
    episode_s = 4.0
    causes: ClassVar[Mapping[str, str]] = {"torso_down": "The torso touches the floor."}

    def measure(self, physics: Physics, variables: Quantities) -> dict[str, Tensor]:
        """Add the rotation and whether the robot stands."""
        measured = super().measure(physics, variables)
        pitch = measured["torso_pitch"]
        up = torch.cos(pitch)
        return measured | {
            # the hinge counts full turns, so its angle is the accumulated rotation
            self.turning.rotation: self.turning.sign * pitch,
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
                getattr(features, self.turning.rotation),
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
