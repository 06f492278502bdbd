"""What the tasks with a cube on the table share: scene, features, observation, resets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import mujoco
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from rewardgen_envs.cameras import Camera
from rewardgen_envs.draw import Draw
from rewardgen_envs.features import Feature, FeatureView
from rewardgen_envs.panda.panda import (
    HERE,
    PANDA_FEATURES,
    Panda,
    add_hand_sensors,
    fingers_touch,
    measure_panda,
    reach_of_box,
)
from rewardgen_envs.physics import Physics
from rewardgen_envs.quantities import Quantities
from rewardgen_envs.scene import load_scene
from rewardgen_envs.task import Initial

CUBE_HALF_M = 0.02
START_CENTER_M = (0.5, 0.0)
START_SPREAD_M = (0.1, 0.15)  # to either side
START_YAW_RAD = 0.4  # to either side
OUT_OF_REACH_M = 0.35  # from the middle of where cubes start

CUBE_FEATURES = (
    *PANDA_FEATURES,
    Feature("cube_position", (3,), "m", "Centre of the cube; 0.02 m high when it lies."),
    Feature("cube_quaternion", (4,), "1", "Orientation of the cube, scalar part first."),
    Feature("cube_velocity", (3,), "m/s", "Velocity of the cube's centre."),
    Feature("cube_angular_velocity", (3,), "rad/s", "Angular velocity, in the cube's frame."),
    Feature("cube_height", (), "m", "Height of the cube's centre above where it is when it lies."),
    Feature("hand_to_cube", (3,), "m", "From the point between the finger tips to the cube."),
    Feature("hand_cube_distance", (), "m", "Length of the same vector."),
    Feature(
        "finger_on_cube", (2,), "bool", "1 where the left, the right finger lies against the cube."
    ),
)


class Cube(Panda):
    """A cube of 4 cm on a table top; the hand points down, the fingers close along y."""

    home = (0.0, -0.1848, 0.0, -2.4967, 0.0, 2.3119, 0.7854)
    workspace_m = ((0.3, -0.3, 0.015), (0.7, 0.3, 0.4))
    features = CUBE_FEATURES
    causes: ClassVar[Mapping[str, str]] = {
        "cube_lost": "The cube is more than 0.35 m from the middle of where it starts, seen from "
        "above."
    }

    cameras: ClassVar[Mapping[str, Camera]] = {
        "corner": Camera(140.0, -25.0, 1.5, at=(0.4, 0.0, 0.2)),
        "side": Camera(90.0, -12.0, 1.5, at=(0.4, 0.0, 0.2)),
        "front": Camera(180.0, -20.0, 1.5, at=(0.4, 0.0, 0.2)),
        "above": Camera(0.0, -89.0, 1.2, at=(0.5, 0.0, 0.0)),
    }

    def scene(self) -> mujoco.MjSpec:
        """Return the robot, the table top and the cube."""
        return add_hand_sensors(load_scene(HERE / "cube.xml"))

    def measure(self, physics: Physics, variables: Quantities) -> dict[str, Tensor]:
        """Compute the features of robot and cube."""
        del variables
        cube, velocity = physics.body_position("cube"), physics.joint_velocity("cube")
        away = cube - physics.site_position("grasp")
        half_size = (CUBE_HALF_M, CUBE_HALF_M, CUBE_HALF_M)
        reach = reach_of_box(physics, physics.body_matrix("cube"), half_size)
        return measure_panda(physics) | {
            "cube_position": cube,
            "cube_quaternion": physics.body_quaternion("cube"),
            "cube_velocity": velocity[:, :3],
            "cube_angular_velocity": velocity[:, 3:],
            "cube_height": cube[:, 2] - CUBE_HALF_M,
            "hand_to_cube": away,
            "hand_cube_distance": away.square().sum(1).sqrt(),
            "finger_on_cube": fingers_touch(physics, cube, reach),
        }

    def observation(self, features: FeatureView) -> Float[Tensor, "... O"]:
        """Return the motion of hand and fingers, and the cube's, also as seen from the hand."""
        fingers = torch.stack([features.finger_opening, features.finger_velocity], dim=-1)
        return torch.cat(
            [
                features.hand_position,
                features.hand_velocity,
                fingers,
                features.hand_to_cube,
                features.cube_position,
                features.cube_quaternion,
                features.cube_velocity,
            ],
            dim=-1,
        )

    def terminations(self, features: FeatureView) -> dict[str, Bool[Tensor, "..."]]:
        """End the episode when the cube has been pushed or thrown away."""
        x, y = (features.cube_position[..., i] - START_CENTER_M[i] for i in range(2))
        return {"cube_lost": torch.hypot(x, y) > OUT_OF_REACH_M}

    def reset(self, mask: Bool[Tensor, " R"], draw: Draw) -> Initial:
        """Put the cube anywhere within ±0.1 m and ±0.15 m, turned by up to ±0.4 rad."""
        del mask
        arm, arm_velocity = self.start(draw)
        place = draw.uniform("cube", (2,), -1.0, 1.0)
        half_yaw = 0.5 * draw.uniform("cube_yaw", (), -START_YAW_RAD, START_YAW_RAD)
        zero = torch.zeros_like(half_yaw)
        cube = torch.stack(
            [
                START_CENTER_M[0] + START_SPREAD_M[0] * place[:, 0],
                START_CENTER_M[1] + START_SPREAD_M[1] * place[:, 1],
                zero + CUBE_HALF_M,
                torch.cos(half_yaw),
                zero,
                zero,
                torch.sin(half_yaw),
            ],
            dim=1,
        )
        return Initial(
            qpos=torch.cat([arm, cube], dim=1),
            qvel=torch.cat([arm_velocity, torch.zeros_like(cube[:, :6])], dim=1),
        )
