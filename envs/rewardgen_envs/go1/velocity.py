"""``go1/velocity``: move as commanded. After IsaacGymEnvs' ``Anymal``.

What differs: the robot is a Go1 and not an ANYmal C, a third of its size, so commands are slower;
they change in the middle of the episode; its joints are held by position actuators as the robot's
file has them; and only a trunk on the floor ends the episode, a knee does not. The original has no
measure of success; ours is the share of the episode in which the robot moves as commanded.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import mujoco
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from rewardgen_envs.draw import Draw
from rewardgen_envs.features import Feature, FeatureView
from rewardgen_envs.metrics import Metric
from rewardgen_envs.physics import Physics
from rewardgen_envs.quantities import Quantities
from rewardgen_envs.scene import load_scene
from rewardgen_envs.task import Initial, Task
from rewardgen_envs.trackers import Rule, Tracker

HERE = Path(__file__).parent
FEET = ("FL", "FR", "RL", "RR")
FOOT_RADIUS_M = 0.023
STANDING_POSE_RAD = (0.0, 0.9, -1.8) * len(FEET)  # the pose "home" of the robot's file
STANDING_HEIGHT_M = 0.27
SWING_RAD = 0.4  # how far an action of 1 turns a joint from the standing pose
# of the box around the trunk, in the trunk's frame
TRUNK_CENTER_M = (0.0755, 0.0, 0.0)
TRUNK_HALF_SIZE_M = (0.2005, 0.098, 0.06)
TRUNK_ON_FLOOR_M = 0.005

COMMANDS = 2
COMMAND_S = 5.0
ROUNDING_S = 1e-6  # so that a command's first instant, a sum of rounded steps, belongs to it
SLOWEST_M_S, FASTEST_M_S = (-0.5, -0.3), (1.0, 0.3)  # ahead, to the left
FASTEST_TURN_RAD_S = 0.8  # to either side
VELOCITY_BOUND_M_S = 0.25
TURN_BOUND_RAD_S = 0.4
JOINT_NOISE_RAD = 0.05
VELOCITY_NOISE = 0.05


class Velocity(Task):
    """Two commands in an episode, for five seconds each; 0.02 s per control step."""

    name = "go1/velocity"
    description = (
        "Make the four-legged robot move at the commanded velocity, forwards and sideways, and "
        "turn at the commanded rate, without falling. The command changes from time to time."
    )
    decimation = 4
    episode_s = COMMANDS * COMMAND_S
    features = (
        Feature("target_velocity", (2,), "m/s", "Commanded velocity: ahead, to the left."),
        Feature("target_turn_rate", (), "rad/s", "Commanded turn about the vertical axis."),
        Feature("heading_velocity", (2,), "m/s", "The trunk's velocity: ahead, to the left."),
        Feature("turn_rate", (), "rad/s", "The trunk's turn about the vertical axis; left is +."),
        Feature("velocity_error", (), "m/s", "Length of heading_velocity - target_velocity."),
        Feature("turn_rate_error", (), "rad/s", "Size of turn_rate - target_turn_rate."),
        Feature("vertical_velocity", (), "m/s", "The trunk's velocity along z."),
        Feature("trunk_height", (), "m", "Height of the trunk's centre; 0.26 when standing."),
        Feature("trunk_clearance", (), "m", "Height of the trunk's lowest point above the floor."),
        Feature("trunk_up", (), "1", "Vertical part of the trunk's up axis: 1 is upright."),
        Feature(
            "projected_gravity", (3,), "1", "Direction of gravity in the trunk's frame; z is up."
        ),
        Feature("trunk_angular_velocity", (3,), "rad/s", "About the trunk's own axes."),
        Feature("joint_angles", (12,), "rad", "Hip, thigh and calf of each leg: FL, FR, RL, RR."),
        Feature("joint_offsets", (12,), "rad", "The same minus the angles of the standing pose."),
        Feature("joint_velocities", (12,), "rad/s", "Velocities of the same joints."),
        Feature(
            "foot_heights",
            (4,),
            "m",
            "Height of each foot's lowest point; feet are soft, -0.02 when standing.",
        ),
        Feature("foot_on_floor", (4,), "bool", "1 where a foot is on the floor."),
    )
    variables = (
        Feature(
            "velocity_commands",
            (COMMANDS, 2),
            "m/s",
            "Velocities ahead and to the left of all commands, in their order.",
            private=True,
        ),
        Feature("turn_commands", (COMMANDS,), "rad/s", "Their turn rates.", private=True),
    )
    trackers = (
        Tracker(
            Feature("foot_air_time", (4,), "s", "Time since each foot was last on the floor."),
            source="foot_on_floor",
            rule=Rule.TIME_SINCE,
        ),
    )
    causes: ClassVar[Mapping[str, str]] = {
        "trunk_on_floor": "The trunk touches the floor.",
        "upside_down": "The trunk is tilted by more than 90 degrees.",
    }
    metrics = (
        Metric(
            name="on_command",
            unit="1",
            description="Share of the episode in which the velocity is within 0.25 m/s and the "
            "turn rate within 0.4 rad/s of the command.",
            success=0.7,
        ),
    )
    human_reward = HERE / "velocity_reward.py"

    def scene(self) -> mujoco.MjSpec:
        """Return the robot on a floor."""
        return load_scene(HERE / "floor.xml")

    def measure(self, physics: Physics, variables: Quantities) -> dict[str, Tensor]:
        """Compute the motion of trunk, joints and feet."""
        del variables
        qpos, qvel = physics.qpos, physics.qvel
        matrix = physics.body_matrix("trunk")
        turn_rate = (matrix[:, 2] * qvel[:, 3:6]).sum(1)
        feet = [physics.geom_position(foot)[:, 2] - FOOT_RADIUS_M for foot in FEET]
        foot_heights = torch.stack(feet, dim=1)
        joint_angles = qpos[:, 7:]
        standing = joint_angles.new_tensor(STANDING_POSE_RAD)
        return {
            "heading_velocity": _along_heading(qvel[:, :2], matrix),
            "turn_rate": turn_rate,
            "vertical_velocity": qvel[:, 2],
            "trunk_height": qpos[:, 2],
            "trunk_clearance": _lowest_corner(qpos[:, 2], matrix),
            "trunk_up": matrix[:, 2, 2],
            "projected_gravity": -matrix[:, 2],
            "trunk_angular_velocity": qvel[:, 3:6],
            "joint_angles": joint_angles,
            "joint_offsets": joint_angles - standing,
            "joint_velocities": qvel[:, 6:],
            "foot_heights": foot_heights,
            "foot_on_floor": foot_heights < 0.0,
        }

    def derive(self, quantities: Quantities) -> dict[str, Tensor]:
        """Compute the present command and how far the motion is from it."""
        now = ((quantities.episode_time_s + ROUNDING_S) / COMMAND_S).long().clamp(max=COMMANDS - 1)
        active = now.unsqueeze(1) == torch.arange(COMMANDS, device=now.device)
        velocity = (quantities.velocity_commands * active.unsqueeze(2)).sum(1)
        turn_rate = (quantities.turn_commands * active).sum(1)
        away = quantities.heading_velocity - velocity
        return {
            "target_velocity": velocity,
            "target_turn_rate": turn_rate,
            "velocity_error": torch.hypot(away[:, 0], away[:, 1]),
            "turn_rate_error": (quantities.turn_rate - turn_rate).abs(),
        }

    def observation(self, features: FeatureView) -> Float[Tensor, "... 49"]:
        """Return command, motion and tilt of the trunk, joints, feet, and the last action."""
        scalars = torch.stack(
            [features.target_turn_rate, features.vertical_velocity, features.trunk_height], dim=-1
        )
        return torch.cat(
            [
                features.target_velocity,
                scalars,
                features.heading_velocity,
                features.projected_gravity,
                features.trunk_angular_velocity,
                features.joint_offsets,
                features.joint_velocities,
                features.last_action,
            ],
            dim=-1,
        )

    def actuate(self, action: Tensor, features: FeatureView) -> Float[Tensor, "B 12"]:
        """Return joint angles to hold: the standing pose, and up to 0.4 rad to either side."""
        del features
        return action.new_tensor(STANDING_POSE_RAD) + SWING_RAD * action

    def terminations(self, features: FeatureView) -> dict[str, Bool[Tensor, "..."]]:
        """End the episode when the robot has fallen."""
        return {
            "trunk_on_floor": features.trunk_clearance < TRUNK_ON_FLOOR_M,
            "upside_down": features.trunk_up < 0.0,
        }

    def reset(self, mask: Bool[Tensor, " R"], draw: Draw) -> Initial:
        """Stand, turned anywhere, joints within 0.05 rad of the standing pose."""
        del mask
        noise = draw.uniform("joints", (12,), -JOINT_NOISE_RAD, JOINT_NOISE_RAD)
        half_yaw = 0.5 * draw.uniform("yaw", (), -math.pi, math.pi)
        zero = torch.zeros_like(half_yaw)
        root = torch.stack(
            [
                zero,
                zero,
                zero + STANDING_HEIGHT_M,
                torch.cos(half_yaw),
                zero,
                zero,
                torch.sin(half_yaw),
            ],
            dim=1,
        )
        slowest, fastest = noise.new_tensor(SLOWEST_M_S), noise.new_tensor(FASTEST_M_S)
        share = draw.uniform("velocity_commands", (COMMANDS, 2))
        turns = draw.uniform("turns", (COMMANDS,), -FASTEST_TURN_RAD_S, FASTEST_TURN_RAD_S)
        return Initial(
            qpos=torch.cat([root, noise.new_tensor(STANDING_POSE_RAD) + noise], dim=1),
            qvel=draw.normal("velocities", (18,), std=VELOCITY_NOISE),
            variables={
                "velocity_commands": slowest + (fastest - slowest) * share,
                "turn_commands": turns,
            },
        )

    def fitness(self, features: FeatureView) -> dict[str, Tensor]:
        """Return 1 while the robot moves as commanded."""
        moving = features.velocity_error < VELOCITY_BOUND_M_S
        return {"on_command": moving & (features.turn_rate_error < TURN_BOUND_RAD_S)}


def _along_heading(
    vector: Float[Tensor, "R 2"], matrix: Float[Tensor, "R 3 3"]
) -> Float[Tensor, "R 2"]:
    """Turn a horizontal vector of the world into the frame of the trunk's heading."""
    ahead = torch.nn.functional.normalize(matrix[:, :2, 0], dim=1)
    left = torch.stack([-ahead[:, 1], ahead[:, 0]], dim=1)
    return torch.stack([(vector * ahead).sum(1), (vector * left).sum(1)], dim=1)


def _lowest_corner(
    height: Float[Tensor, " R"], matrix: Float[Tensor, "R 3 3"]
) -> Float[Tensor, " R"]:
    """Return the height of the lowest corner of the box around the trunk."""
    up = matrix[:, 2]
    center = (up * up.new_tensor(TRUNK_CENTER_M)).sum(1)
    return height + center - (up.abs() * up.new_tensor(TRUNK_HALF_SIZE_M)).sum(1)
