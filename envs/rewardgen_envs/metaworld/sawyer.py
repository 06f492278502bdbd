"""What the MetaWorld tasks share: the Sawyer arm, how it is moved, its features, its starts.

Scenes, control step, actions, resets and success criteria are those of the V3 environments of
metaworld 3.1.1. A weld pulls the hand after a mocap body, which the action moves.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import mujoco
import torch
from jaxtyping import Float
from torch import Tensor

from rewardgen_envs.features import Feature, FeatureView
from rewardgen_envs.metrics import Accumulation, Metric
from rewardgen_envs.physics import Physics
from rewardgen_envs.quantities import Quantities
from rewardgen_envs.scene import load_scene
from rewardgen_envs.task import BoxAction, Task
from rewardgen_envs.trackers import Rule, Tracker

HERE = Path(__file__).parent
ASSETS = HERE / "assets"
MOCAP = "mocap"
STEP_M = 0.01  # how far an action of 1 moves the point that pulls the hand
WIDEST_GRIPPER_M = 0.1
HELD_SHARE = 0.25

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class HandStart:
    """The arm at the start of an episode: where a reset of the package leaves it, still swinging.

    Attributes:
        position: what the hand is pulled to, m.
        qpos: seven joint angles in rad, then the right and left finger in m.
        qvel: their velocities.
    """

    position: Vector
    qpos: tuple[float, ...]
    qvel: tuple[float, ...]


OVER_THE_TABLE = HandStart(
    position=(0.0, 0.6, 0.2),
    qpos=(1.889288, -0.575769, -0.976659, 1.641991, 0.94286, 1.043696, 2.292833, -1.7e-4, 1.7e-4),
    qvel=(0.261002, 0.428913, -0.485771, 0.244038, 0.82911, 0.098762, 1.589472, 0.0, 0.0),
)
NEAR_THE_ROBOT = HandStart(
    position=(0.0, 0.4, 0.2),
    qpos=(
        2.167491,
        -0.545957,
        -1.234722,
        2.171111,
        1.247809,
        1.019476,
        1.901196,
        -0.00017,
        0.00017,
    ),
    qvel=(0.08512, 0.632753, -0.215961, 0.174117, 0.758524, 0.401061, 1.0192, 0.0, 0.0),
)
AT_THE_LEFT = HandStart(
    position=(-0.5, 0.6, 0.2),
    qpos=(2.26684, -0.499308, -0.563622, 0.975086, 0.529513, 1.225257, 3.409189, -1.7e-4, 1.7e-4),
    qvel=(0.137121, 0.005389, -0.389066, 0.344746, 0.524232, -0.150207, 2.070759, 0.0, 0.0),
)

HAND_FEATURES = (
    Feature("hand_position", (3,), "m", "Position of the hand: x is right, y ahead, z up."),
    Feature("hand_velocity", (3,), "m/s", "Its displacement in the last control step per time."),
    Feature("hand_target", (3,), "m", "The point that pulls the hand; the action moves it."),
    Feature("fingertips", (3,), "m", "The point in the middle between the two fingertips."),
    Feature("gripper_opening", (), "1", "Distance of the fingers: 1 is wide open, 0 is closed."),
)
PREVIOUS_HAND_POSITION = Tracker(
    Feature("previous_hand_position", (3,), "m", "Position one control step ago.", private=True),
    source="hand_position",
    rule=Rule.PREVIOUS,
)


def held_metrics(state: str, done: str, meaning: str) -> tuple[Metric, Metric]:
    """Return the fitness of reaching a state and holding it.

    Args:
        state: name of the ranking metric, the share of the episode in that state.
        done: name of the other metric: whether it was ever reached, as the package counts it.
        meaning: what holds in that state.
    """
    return (
        Metric(
            name=state,
            unit="1",
            description=f"Share of the episode in which {meaning}.",
            success=HELD_SHARE,
        ),
        Metric(
            name=done,
            unit="1",
            description=f"1 if there was a moment in which {meaning}.",
            accumulation=Accumulation.BEST,
            success=1.0,
        ),
    )


class Sawyer(Task):
    """An arm of seven joints with two fingers; 0.0125 s per control step.

    The package gives an episode 500 control steps; 200 are nominal here, which is more than twice
    what its scripted policies need.

    Attributes:
        scene_file: the MJCF in ``assets``.
        hand_start: the arm at the start.
        hand_low: lowest x, y, z of the point that pulls the hand, m.
        hand_high: highest x, y, z of it, m.
    """

    decimation = 5
    episode_s = 2.5
    trackers = (PREVIOUS_HAND_POSITION,)
    scene_file: ClassVar[str]
    hand_start: ClassVar[HandStart] = OVER_THE_TABLE
    hand_low: ClassVar[Vector] = (-0.5, 0.4, 0.05)
    hand_high: ClassVar[Vector] = (0.5, 1.0, 0.5)

    def scene(self) -> mujoco.MjSpec:
        """Return the arm, the table and what stands on it."""
        return load_scene(ASSETS / self.scene_file)

    @property
    def action(self) -> BoxAction:
        """Three moves of the point that pulls the hand, and the fingers: 1 closes them."""
        return BoxAction(4)

    def actuate(self, action: Tensor, features: FeatureView) -> Float[Tensor, "B 2"]:
        """Drive both fingers."""
        del features
        return torch.stack([action[:, 3], -action[:, 3]], dim=1)

    def move_mocap(self, action: Tensor, features: FeatureView) -> dict[str, Tensor]:
        """Move the point that pulls the hand, within its limits."""
        moved = features.hand_target + STEP_M * action[:, :3]
        limits = zip(moved.unbind(1), self.hand_low, self.hand_high, strict=True)
        return {MOCAP: torch.stack([x.clamp(low, high) for x, low, high in limits], dim=1)}

    def measure(self, physics: Physics, variables: Quantities) -> dict[str, Tensor]:
        """Find hand and fingers."""
        del variables
        right, left = (physics.site_position(f"{side}EndEffector") for side in ("right", "left"))
        claws = (physics.body_position(f"{side}claw") for side in ("right", "left"))
        opening = distance(*claws) / WIDEST_GRIPPER_M
        return {
            "hand_position": physics.body_position("hand"),
            "hand_target": physics.body_position(MOCAP),
            "fingertips": 0.5 * (right + left),
            "gripper_opening": opening.clamp(0.0, 1.0),
        }

    def derive(self, quantities: Quantities) -> dict[str, Tensor]:
        """Compute the hand's velocity from its displacement."""
        displacement = quantities.hand_position - quantities.previous_hand_position
        return {"hand_velocity": displacement / self.control_dt_s}


def distance(left: Float[Tensor, "R n"], right: Float[Tensor, "R n"]) -> Float[Tensor, " R"]:
    """Return how far two points are apart."""
    return (left - right).square().sum(1).sqrt()


def arm_start(start: HandStart, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return qpos (R, 9), qvel (R, 9) and the pulling point (R, 3) of an arm, as ``rows`` are."""
    parts = (start.qpos, start.qvel, start.position)
    qpos, qvel, position = (rows.new_tensor(part).expand(len(rows), -1) for part in parts)
    return qpos, qvel, position


def see_hand(features: FeatureView) -> Float[Tensor, "... 10"]:
    """Return position and velocity of the hand, how it is pulled, and the fingers."""
    return torch.cat(
        [
            features.hand_position,
            features.hand_velocity,
            features.hand_target - features.hand_position,
            features.gripper_opening.unsqueeze(-1),
        ],
        dim=-1,
    )
