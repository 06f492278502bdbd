"""``shadow-hand/rotate-cube``: turn the cube in the palm to one target after another.

The counterpart of Isaac Gym's ShadowHand with the block. It differs in what two CPU cores can
train: targets are turned about the vertical alone, each by 35 to 90 degrees from the one before,
instead of being any orientation; a target counts as reached within 0.2 rad instead of 0.1.
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
from rewardgen_envs.shadow_hand.rotations import about_vertical, length, rotation_vector
from rewardgen_envs.task import Initial
from rewardgen_envs.trackers import Rule, Tracker

TARGETS = 10
REACHED_RAD = 0.2
LEAST_TURN_RAD = 0.6  # more than twice REACHED_RAD: no state is at two targets in a row
MOST_TURN_RAD = 0.5 * math.pi


def _reaching(number: int) -> Tracker:
    """Return the memory of one target: whether it was reached, after all those before it."""

    def reached(quantities: Quantities) -> Bool[Tensor, " R"]:
        near = quantities.target_errors[:, number] < REACHED_RAD
        return near & (getattr(quantities, f"reached_{number - 1}") > 0.5) if number else near

    sentence = f"1 once target {number} was reached in its turn."
    return Tracker(
        Feature(f"reached_{number}", (), "bool", sentence, private=True),
        source=reached,
        rule=Rule.MAXIMUM,
    )


def _reached(quantities: Quantities) -> Float[Tensor, " R"]:
    """Count the targets reached, this step included."""
    return torch.stack([getattr(quantities, f"reached_{k}") for k in range(TARGETS)], 1).sum(1)


class RotateCube(Hand):
    """Ten targets, each a turn about the vertical; the next one follows when one is reached."""

    name = "shadow-hand/rotate-cube"
    description = (
        "Make the hand turn the cube in its palm to the target orientation. As soon as it is "
        f"within {REACHED_RAD} rad of the target, a new target follows. Reach as many as possible "
        "without dropping the cube."
    )
    held = "cube"
    features = (
        *hand_features("cube"),
        Feature("fingertip_distances", (5,), "m", "From each fingertip to the cube's centre."),
        Feature("target_quaternion", (4,), "1", "Orientation to reach, scalar part first."),
        Feature(
            "rotation_to_target",
            (3,),
            "rad",
            "The shortest rotation from the cube's orientation to the target: axis in the world's "
            "frame times angle. Its z part is the turn about the vertical that is missing.",
        ),
        Feature(
            "rotation_error", (), "rad", "Angle between the cube's orientation and the target."
        ),
        Feature(
            "approach_velocity",
            (),
            "rad/s",
            "How fast the angle to the present target shrank in the last control step.",
        ),
        Feature(
            "at_target",
            (),
            "bool",
            f"1 within {REACHED_RAD} rad of the target; the next target follows in the next step.",
        ),
        Feature("targets_reached", (), "1", "Targets reached so far.", private=True),
    )
    variables = (
        Feature(
            "target_headings",
            (TARGETS,),
            "rad",
            "Turn about the vertical of every target, in their order.",
            private=True,
        ),
    )
    trackers = (
        *(_reaching(number) for number in range(TARGETS)),
        Tracker(
            Feature("targets_passed", (), "1", "Targets reached a step ago.", private=True),
            source=_reached,
            rule=Rule.PREVIOUS,
        ),
        Tracker(
            Feature(
                "previous_target_errors",
                (TARGETS,),
                "rad",
                "Angle to every target one control step ago.",
                private=True,
            ),
            source="target_errors",
            rule=Rule.PREVIOUS,
        ),
    )
    metrics = (
        Metric(
            name="targets_reached",
            unit="1",
            description=f"Share of the {TARGETS} targets that were reached, one after another.",
            accumulation=Accumulation.BEST,
            success=0.3,
        ),
    )
    human_reward = HERE / "rotate_cube_reward.py"

    def measure(self, physics: Physics, variables: Quantities) -> dict[str, Tensor]:
        """Add the fingertips' distances, and how far the cube is from every target."""
        measured = super().measure(physics, variables)
        away = measured["fingertip_positions"] - measured["cube_position"].unsqueeze(1)
        turns = rotation_vector(
            measured["cube_quaternion"].unsqueeze(1), about_vertical(variables.target_headings)
        )
        return measured | {
            "fingertip_distances": length(away),
            "target_rotations": turns,
            "target_errors": length(turns),
        }

    def derive(self, quantities: Quantities) -> dict[str, Tensor]:
        """Tell what is left to the present target, the first one not reached a step ago."""
        errors = quantities.target_errors
        present = quantities.targets_passed.long().clamp(max=TARGETS - 1).unsqueeze(1)
        error = errors.gather(1, present)[:, 0]
        before = quantities.previous_target_errors.gather(1, present)[:, 0]
        heading = quantities.target_headings.gather(1, present)[:, 0]
        rotations = quantities.target_rotations
        return super().derive(quantities) | {
            "target_quaternion": about_vertical(heading),
            "rotation_to_target": rotations.take_along_dim(present.unsqueeze(2), 1)[:, 0],
            "rotation_error": error,
            "approach_velocity": (before - error) / self.control_dt_s,
            "at_target": error < REACHED_RAD,
            "targets_reached": _reached(quantities),
        }

    def observation(self, features: FeatureView) -> Float[Tensor, "... 99"]:
        """Return hand, cube, fingertips and the rotation that is missing."""
        turning = [features.cube_quaternion, features.rotation_to_target]
        return torch.cat([grip(features, "cube"), *turning], dim=-1)

    def reset(self, mask: Bool[Tensor, " R"], draw: Draw) -> Initial:
        """Lay the cube into the palm, turned anyhow about the vertical, and draw the targets."""
        del mask
        heading = draw.uniform("heading", (), -math.pi, math.pi)
        turn = draw.uniform("turn", (TARGETS,), LEAST_TURN_RAD, MOST_TURN_RAD)
        sign = torch.where(draw.uniform("sign", (TARGETS,)) < 0.5, -1.0, 1.0)
        targets = heading.unsqueeze(1) + (sign * turn).cumsum(1)
        qpos, qvel = self.start(draw, heading)
        return Initial(qpos=qpos, qvel=qvel, variables={"target_headings": targets})

    def fitness(self, features: FeatureView) -> dict[str, Tensor]:
        """Return the share of targets reached so far."""
        return {"targets_reached": features.targets_reached / TARGETS}

    def sparse_reward(
        self, state: FeatureView, action: Tensor, next_state: FeatureView
    ) -> Float[Tensor, "..."]:
        """Return 1 where a target has just been reached."""
        del action
        return next_state.targets_reached - state.targets_reached
