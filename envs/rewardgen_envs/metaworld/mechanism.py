"""Tasks around one thing with one joint: a drawer, a window, a button, a door, a lock, a lever."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import mujoco
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from rewardgen_envs.draw import Draw
from rewardgen_envs.features import Feature, FeatureView
from rewardgen_envs.metaworld.sawyer import (
    HAND_FEATURES,
    MOCAP,
    Sawyer,
    Vector,
    arm_start,
    distance,
    see_hand,
)
from rewardgen_envs.physics import Physics
from rewardgen_envs.quantities import Quantities
from rewardgen_envs.scene import SceneError
from rewardgen_envs.task import Initial


@dataclass(frozen=True)
class Point:
    """A point that is fixed to a body.

    Attributes:
        body: the body's name.
        offset: where it is in the body's frame, m.
    """

    body: str
    offset: Vector


def mechanism_features(
    *, handle: str, goal: str, goal_distance: str, joint: str, unit: str
) -> tuple[Feature, ...]:
    """Return the features of hand and mechanism.

    Args:
        handle: what is to be moved.
        goal: where it shall go.
        goal_distance: which distance between them counts.
        joint: what the joint's position means.
        unit: its unit.
    """
    return (
        *HAND_FEATURES,
        Feature("handle_position", (3,), "m", f"Position of {handle}."),
        Feature("goal_position", (3,), "m", f"Where it shall go: {goal}."),
        Feature("goal_distance", (), "m", goal_distance),
        Feature("reach_distance", (), "m", "Distance from between the fingertips to the handle."),
        Feature("joint_position", (), unit, joint),
        Feature("joint_velocity", (), f"{unit}/s", "Its velocity."),
    )


class Mechanism(Sawyer):
    """The hand and a handle that one joint lets move.

    Attributes:
        base: the body that is placed anew in every episode.
        joint: what moves.
        handle: the point whose place counts.
        goal: where it shall go.
        goal_axes: the axes along which the distance to the goal counts.
        place_low: lowest x, y, z of the base at the start, m.
        place_high: highest x, y, z of it, m.
        joint_start: position of the joint at the start.
    """

    base: ClassVar[str]
    joint: ClassVar[str]
    handle: ClassVar[Point]
    goal: ClassVar[Point]
    goal_axes: ClassVar[tuple[int, ...]] = (0, 1, 2)
    place_low: ClassVar[Vector]
    place_high: ClassVar[Vector]
    joint_start: ClassVar[float] = 0.0

    def scene(self) -> mujoco.MjSpec:
        """Return the scene, with handle and goal marked."""
        spec = super().scene()
        for name, point, color in (
            ("handle", self.handle, [0.8, 0.0, 0.0, 1.0]),
            ("goal", self.goal, [0.0, 0.8, 0.0, 1.0]),
        ):
            body = spec.body(point.body)
            if body is None:
                raise SceneError(f"{self.scene_file} has no body '{point.body}'")
            body.add_site(name=name, pos=point.offset, size=[0.008] * 3, rgba=color)
        return spec

    def measure(self, physics: Physics, variables: Quantities) -> dict[str, Tensor]:
        """Add handle, goal and joint."""
        hand = super().measure(physics, variables)
        handle, goal = physics.site_position("handle"), physics.site_position("goal")
        return hand | {
            "handle_position": handle,
            "goal_position": goal,
            "goal_distance": distance(goal[:, self.goal_axes], handle[:, self.goal_axes]),
            "reach_distance": distance(handle, hand["fingertips"]),
            "joint_position": physics.joint_position(self.joint),
            "joint_velocity": physics.joint_velocity(self.joint),
        }

    def observation(self, features: FeatureView) -> Float[Tensor, "... 15"]:
        """Return the hand, the way from the fingertips to the handle, and the joint."""
        joint = torch.stack([features.joint_position, features.joint_velocity], dim=-1)
        to_handle = features.handle_position - features.fingertips
        return torch.cat([see_hand(features), to_handle, joint], dim=-1)

    def reset(self, mask: Bool[Tensor, " R"], draw: Draw) -> Initial:
        """Place the mechanism anywhere in its range."""
        del mask
        axes = zip("xyz", self.place_low, self.place_high, strict=True)
        place = torch.stack([draw.uniform(axis, (), low, high) for axis, low, high in axes], dim=1)
        qpos, qvel, position = arm_start(self.hand_start, place)
        joint = place.new_full((len(place), 1), self.joint_start)
        return Initial(
            qpos=torch.cat([qpos, joint], dim=1),
            qvel=torch.cat([qvel, torch.zeros_like(joint)], dim=1),
            mocap={MOCAP: position, self.base: place},
        )
