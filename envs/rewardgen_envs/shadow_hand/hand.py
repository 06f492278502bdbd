"""What the Shadow hand tasks share: scene, features, the drop, the start.

Hand, cube and pen are those of gymnasium-robotics' HandManipulate environments, and so is
the control step. The physics has 5 ms substeps instead of 2 ms, and gravity does not pull at the
hand, as in Isaac Gym. An action moves the targets of the 20 position motors on from where they are,
as Isaac Gym's relative control does: noise then moves the hand about instead of shaking it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import mujoco
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from rewardgen_envs.draw import Draw
from rewardgen_envs.features import Feature, FeatureView
from rewardgen_envs.physics import Physics
from rewardgen_envs.quantities import Quantities
from rewardgen_envs.scene import load_scene
from rewardgen_envs.shadow_hand.rotations import about_vertical, multiply
from rewardgen_envs.task import Task

HERE = Path(__file__).parent
JOINTS = 24
MOTORS = 20
TARGET_SPEED_RAD_S = 4.0  # of a motor's target, at most
FINGERTIPS = ("ff", "mf", "rf", "lf", "th")
TIPS_ARE = "first, middle, ring and little finger and the thumb"
DROPPED_M = 0.1
PALM_RADIUS_M = 0.12
JOINT_NOISE_RAD = 0.03
PLACE_NOISE_M = 0.003
_JOINTS_ARE = "wrist (2), first, middle, ring (4 each), little finger (5) and thumb (5)"
_MOTORS_ARE = "wrist (2), first, middle, ring (3 each), little finger (4) and thumb (5)"


def hand_features(held: str) -> tuple[Feature, ...]:
    """Return the features of the hand and of what it holds.

    Args:
        held: name of the body that it holds.
    """
    return (
        Feature(
            f"{held}_position",
            (3,),
            "m",
            f"Centre of the {held}. The fingers point along -y, the thumb is at -x, z is up; "
            "x = y = 0 lies above the roots of the fingers, the palm's surface at z = 0.15.",
        ),
        Feature(f"{held}_quaternion", (4,), "1", f"Orientation of the {held}, scalar part first."),
        Feature(f"{held}_velocity", (3,), "m/s", f"Velocity of the {held}'s centre."),
        Feature(
            f"{held}_angular_velocity",
            (3,),
            "rad/s",
            f"Angular velocity of the {held} about the world's axes.",
        ),
        Feature("fingertip_positions", (5, 3), "m", f"Tips of {TIPS_ARE}."),
        Feature("joint_angles", (JOINTS,), "rad", f"Angles of {_JOINTS_ARE}."),
        Feature("joint_velocities", (JOINTS,), "rad/s", f"Velocities of {_JOINTS_ARE}."),
        Feature(
            "motor_targets", (MOTORS,), "rad", f"Where motors turn their joint: {_MOTORS_ARE}."
        ),
    )


class Hand(Task):
    """A hand, palm up, with a free body in it; 0.04 s per control step.

    Attributes:
        held: name of the free body, of its scene file and of its features.
    """

    held: ClassVar[str]
    decimation = 8
    episode_s = 10.0
    causes: ClassVar[Mapping[str, str]] = {
        "dropped": (
            f"The centre of what the hand holds is lower than {DROPPED_M} m, or horizontally "
            f"farther than {PALM_RADIUS_M} m from the roots of the fingers."
        )
    }

    def scene(self) -> mujoco.MjSpec:
        """Return the hand with what it holds."""
        return load_scene(HERE / "assets" / f"{self.held}.xml")

    def measure(self, physics: Physics, variables: Quantities) -> dict[str, Tensor]:
        """Name the state of the hand and of what it holds."""
        del variables
        velocity = physics.joint_velocity(self.held)
        turning = physics.body_matrix(self.held) @ velocity[:, 3:, None]
        return {
            f"{self.held}_position": physics.joint_position(self.held)[:, :3],
            f"{self.held}_quaternion": physics.body_quaternion(self.held),
            f"{self.held}_velocity": velocity[:, :3],
            f"{self.held}_angular_velocity": turning[..., 0],
            "fingertip_positions": torch.stack(
                [physics.site_position(f"robot0:S_{finger}tip") for finger in FINGERTIPS], dim=1
            ),
            "joint_angles": physics.qpos[:, :JOINTS],
            "joint_velocities": physics.qvel[:, :JOINTS],
            "motor_controls": physics.field("ctrl"),
        }

    def derive(self, quantities: Quantities) -> dict[str, Tensor]:
        """Tell where the motors' targets are; at the start, where their joints are."""
        started = quantities.episode_time_s.unsqueeze(1) > 0.0
        rest = quantities.joint_angles[:, self._driven]
        return {"motor_targets": torch.where(started, quantities.motor_controls, rest)}

    def actuate(self, action: Tensor, features: FeatureView) -> Float[Tensor, "B 20"]:
        """Move the targets on, within their limits."""
        low, high = self._control_range(action.device)
        step = TARGET_SPEED_RAD_S * self.control_dt_s * action
        return torch.clamp(features.motor_targets + step, low, high)

    @property
    def _driven(self) -> list[int]:
        """The joint of every motor; joints of the hand have one coordinate each."""
        return self.model.actuator_trnid[:, 0].tolist()

    def terminations(self, features: FeatureView) -> dict[str, Bool[Tensor, "..."]]:
        """End the episode when the hand has lost what it held."""
        x, y, z = getattr(features, f"{self.held}_position").unbind(-1)
        return {"dropped": (z < DROPPED_M) | (torch.hypot(x, y) > PALM_RADIUS_M)}

    def start(self, draw: Draw, heading: Float[Tensor, " R"]) -> tuple[Tensor, Tensor]:
        """Return ``qpos`` and ``qvel``: at rest, the hand half open, and something in its palm.

        Joints are off by up to ±0.03 rad, and what is in the palm by up to ±3 mm.

        Args:
            draw: random numbers.
            heading: by how much what is in the palm is turned about the vertical, in rad.
        """
        model, device = self.model, heading.device
        home = torch.as_tensor(model.key_qpos[0].copy(), device=device)
        low, high = torch.as_tensor(model.jnt_range[:JOINTS].copy(), device=device).unbind(1)
        noise = draw.uniform("joints", (JOINTS,), -JOINT_NOISE_RAD, JOINT_NOISE_RAD)
        away = draw.uniform("place", (2,), -PLACE_NOISE_M, PLACE_NOISE_M)
        place = home[JOINTS : JOINTS + 3] + torch.nn.functional.pad(away, (0, 1))
        turned = multiply(about_vertical(heading), home[JOINTS + 3 :])
        qpos = torch.cat([torch.clamp(home[:JOINTS] + noise, low, high), place, turned], dim=1)
        return qpos, qpos.new_zeros(len(qpos), int(model.nv))


def grip(features: FeatureView, held: str) -> Float[Tensor, "... 92"]:
    """Return what every policy sees: joints, what is held, and the fingertips around it."""
    position = getattr(features, f"{held}_position")
    around = features.fingertip_positions - position.unsqueeze(-2)
    return torch.cat(
        [
            features.joint_angles,
            features.joint_velocities,
            features.motor_targets,
            position,
            getattr(features, f"{held}_velocity"),
            getattr(features, f"{held}_angular_velocity"),
            around.flatten(-2),
        ],
        dim=-1,
    )
