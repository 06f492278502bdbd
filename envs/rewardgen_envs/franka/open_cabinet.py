"""``franka/open-cabinet``: pull a drawer open. After IsaacGymEnvs' ``FrankaCabinet``.

Success is the same, a drawer that is open by more than 0.39 m; what differs:

- The cabinet is made of boxes; the original is the Sektion cabinet with its meshes. Its drawer
  slides 0.45 m, damped with 10 N·s/m, and its handle is a round bar across, 6 cm in front of it.
- An action moves the hand in space, see ``rewardgen_envs.panda.panda``, and not the nine joints;
  the hand keeps pointing forwards and down, with the fingers above and below the bar.
- An episode goes on after a success, for 6 s in all instead of 8.3 s. What counts is how far the
  drawer is open at its end.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import mujoco
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from rewardgen_envs.cameras import Camera
from rewardgen_envs.draw import Draw
from rewardgen_envs.features import Feature, FeatureView
from rewardgen_envs.metrics import Accumulation, Metric
from rewardgen_envs.panda.panda import (
    PANDA_FEATURES,
    Panda,
    add_hand_sensors,
    fingers_touch,
    measure_panda,
)
from rewardgen_envs.physics import Physics
from rewardgen_envs.quantities import Quantities
from rewardgen_envs.scene import load_scene
from rewardgen_envs.task import Initial

HERE = Path(__file__).parent
OPEN_M = 0.39
BAR_HALF_LENGTH_M = 0.1
BAR_RADIUS_M = 0.01


class OpenCabinet(Panda):
    """The hand starts 0.3 m in front of the handle; a round bar has no edges to align with."""

    name = "franka/open-cabinet"
    description = (
        "Make the robot arm grasp the handle of the cabinet's drawer, pull the drawer open by more "
        "than 0.39 m and leave it open."
    )
    episode_s = 6.0
    home = (0.0, -0.5651, 0.0, -2.4944, 0.0, 2.7148, -0.7854)
    start_noise_rad = 0.125
    workspace_m = ((0.35, -0.2, 0.3), (0.8, 0.2, 0.6))
    features = (
        *PANDA_FEATURES,
        Feature("drawer_opening", (), "m", "How far the drawer is open, 0 to 0.45."),
        Feature("drawer_velocity", (), "m/s", "How fast the drawer opens."),
        Feature("handle_position", (3,), "m", "Middle of the handle, a bar along y."),
        Feature("hand_to_handle", (3,), "m", "From the point between the finger tips to there."),
        Feature("hand_handle_distance", (), "m", "Length of the same vector."),
        Feature(
            "finger_on_handle",
            (2,),
            "bool",
            "1 where the left (upper), the right (lower) finger lies against the handle.",
        ),
    )
    fitness_in_features = True
    metrics = (
        Metric(
            name="opening",
            unit="m",
            description="How far the drawer is open at the end of the episode.",
            accumulation=Accumulation.FINAL,
            success=OPEN_M,
        ),
    )
    human_reward = HERE / "open_cabinet_reward.py"

    cameras: ClassVar[Mapping[str, Camera]] = {
        "corner": Camera(60.0, -25.0, 2.2, at=(0.5, 0.0, 0.4)),
        "side": Camera(90.0, -10.0, 2.0, at=(0.5, 0.0, 0.4)),
        "front": Camera(0.0, -20.0, 2.2, at=(0.5, 0.0, 0.4)),
        "above": Camera(0.0, -89.0, 2.0, at=(0.6, 0.0, 0.0)),
    }

    def scene(self) -> mujoco.MjSpec:
        """Return the robot and the cabinet."""
        return add_hand_sensors(load_scene(HERE / "cabinet.xml"))

    def measure(self, physics: Physics, variables: Quantities) -> dict[str, Tensor]:
        """Compute the features of robot, drawer and handle."""
        del variables
        handle = physics.site_position("handle")
        away = handle - physics.site_position("grasp")
        # along the hand's axes, the y axis of the world is their second row
        reach = BAR_RADIUS_M + BAR_HALF_LENGTH_M * physics.body_matrix("hand")[:, 1].abs()
        return measure_panda(physics) | {
            "drawer_opening": physics.joint_position("drawer"),
            "drawer_velocity": physics.joint_velocity("drawer"),
            "handle_position": handle,
            "hand_to_handle": away,
            "hand_handle_distance": away.square().sum(1).sqrt(),
            "finger_on_handle": fingers_touch(physics, handle, reach),
        }

    def observation(self, features: FeatureView) -> Float[Tensor, "... 13"]:
        """Return the motion of hand and fingers, where the handle is, and the drawer's motion."""
        scalars = torch.stack(
            [
                features.finger_opening,
                features.finger_velocity,
                features.drawer_opening,
                features.drawer_velocity,
            ],
            dim=-1,
        )
        return torch.cat(
            [features.hand_position, features.hand_velocity, features.hand_to_handle, scalars],
            dim=-1,
        )

    def reset(self, mask: Bool[Tensor, " R"], draw: Draw) -> Initial:
        """Start near home with the drawer closed."""
        del mask
        arm, arm_velocity = self.start(draw)
        closed = torch.zeros_like(arm[:, :1])
        return Initial(
            qpos=torch.cat([arm, closed], dim=1), qvel=torch.cat([arm_velocity, closed], dim=1)
        )

    def fitness(self, features: FeatureView) -> dict[str, Tensor]:
        """Return how far the drawer is open; at the last step it is the fitness."""
        return {"opening": features.drawer_opening}
