"""``shadow-hand/spin-pen``: spin the pen about the vertical, over and over.

The counterpart of Eureka's pen-spinning showcase, in which targets follow each other at 30 degrees
about one axis of the pen. Here the angle turned is measured itself, and the pen lies across the
palm at the start instead of falling into it.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from rewardgen_envs.draw import Draw
from rewardgen_envs.features import Feature, FeatureView
from rewardgen_envs.metrics import Accumulation, Metric
from rewardgen_envs.physics import Physics
from rewardgen_envs.quantities import Quantities
from rewardgen_envs.shadow_hand.hand import HERE, Hand, grip, hand_features
from rewardgen_envs.shadow_hand.rotations import heading_change, length
from rewardgen_envs.task import Initial
from rewardgen_envs.trackers import Rule, Tracker

FULL_TURN_RAD = 2.0 * math.pi
HALF_LENGTH_M = 0.1
LEVEL = 0.5  # horizontal share of a direction 60 degrees from the horizontal
START_SPREAD_RAD = 0.3


def _turn(quantities: Quantities) -> Float[Tensor, " R"]:
    """Return the angle that the pen turned about the vertical in the last control step."""
    before, after = quantities.previous_pen_axis, quantities.pen_axis
    level = (_horizontal(before) > LEVEL) & (_horizontal(after) > LEVEL)
    return heading_change(before, after) * level


def _horizontal(axis: Float[Tensor, "... 3"]) -> Float[Tensor, "..."]:
    return torch.hypot(axis[..., 0], axis[..., 1])


class SpinPen(Hand):
    """A pen across the palm, to be spun like the hands of a clock that runs backwards."""

    name = "shadow-hand/spin-pen"
    description = (
        "Make the hand spin the pen counterclockwise about the vertical axis, as many turns as "
        "possible, without dropping it."
    )
    held = "pen"
    fitness_in_features = True
    features = (
        *hand_features("pen"),
        Feature("pen_axis", (3,), "1", "Direction from the pen's middle to its tip."),
        Feature("pen_level", (), "1", "Horizontal share of the direction: 1 lying, 0 upright."),
        Feature(
            "fingertip_distances",
            (5,),
            "m",
            "From each fingertip to the nearest point of the pen's middle line.",
        ),
        Feature(
            "turn_rate",
            (),
            "rad/s",
            "How fast the pen turned about the vertical in the last control step, positive is "
            "counterclockwise seen from above; 0 while it is within 30 degrees of upright.",
        ),
    )
    trackers = (
        Tracker(
            Feature(
                "previous_pen_axis", (3,), "1", "Direction one control step ago.", private=True
            ),
            source="pen_axis",
            rule=Rule.PREVIOUS,
        ),
        Tracker(
            Feature("turned", (), "rad", "Angle turned about the vertical since the start, net."),
            source=_turn,
            rule=Rule.ACCUMULATED,
        ),
        Tracker(
            Feature("most_turned", (), "rad", "The farthest that it was turned.", private=True),
            source="turned",
            rule=Rule.MAXIMUM,
        ),
    )
    metrics = (
        Metric(
            name="turns",
            unit="1",
            description="Counterclockwise turns about the vertical, net, at their most.",
            accumulation=Accumulation.BEST,
            success=1.0,
        ),
    )
    human_reward = HERE / "spin_pen_reward.py"

    def measure(self, physics: Physics, variables: Quantities) -> dict[str, Tensor]:
        """Add where the pen points, and how near the fingertips are to it."""
        measured = super().measure(physics, variables)
        axis = physics.body_matrix("pen")[:, :, 2]
        away = measured["fingertip_positions"] - measured["pen_position"].unsqueeze(1)
        along = (away * axis.unsqueeze(1)).sum(-1, keepdim=True)
        aside = away - along.clamp(-HALF_LENGTH_M, HALF_LENGTH_M) * axis.unsqueeze(1)
        return measured | {
            "pen_axis": axis,
            "pen_level": _horizontal(axis),
            "fingertip_distances": length(aside),
        }

    def derive(self, quantities: Quantities) -> dict[str, Tensor]:
        """Compute the rate of the last turn."""
        rate = _turn(quantities) / self.control_dt_s
        return super().derive(quantities) | {"turn_rate": rate}

    def observation(self, features: FeatureView) -> Float[Tensor, "... 95"]:
        """Return hand, pen and fingertips."""
        return torch.cat([grip(features, "pen"), features.pen_axis], dim=-1)

    def reset(self, mask: Bool[Tensor, " R"], draw: Draw) -> Initial:
        """Lay the pen across the palm, from thumb to little finger, within ±0.3 rad."""
        del mask
        heading = draw.uniform("heading", (), -START_SPREAD_RAD, START_SPREAD_RAD)
        qpos, qvel = self.start(draw, heading)
        return Initial(qpos=qpos, qvel=qvel)

    def fitness(self, features: FeatureView) -> dict[str, Tensor]:
        """Return the turns so far, at their most."""
        return {"turns": features.most_turned / FULL_TURN_RAD}

    def sparse_reward(
        self, state: FeatureView, action: Tensor, next_state: FeatureView
    ) -> Float[Tensor, "..."]:
        """Return 1 where one more whole turn has just been completed."""
        del action
        before, after = state.most_turned / FULL_TURN_RAD, next_state.most_turned / FULL_TURN_RAD
        return after.floor() - before.floor()
