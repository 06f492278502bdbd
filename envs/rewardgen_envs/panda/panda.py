"""What all tasks of the Panda share: its features, what the fingers touch, how it is moved.

The robot is Franka's Panda with its hand: seven joints, two fingers that close on each other. Its
links are drawn, but only hand and fingers are solid. An action moves the hand, which keeps its
orientation, and the fingers.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import mujoco
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from rewardgen_envs.draw import Draw
from rewardgen_envs.features import Feature, FeatureView
from rewardgen_envs.panda.kinematics import JOINTS, hand_pose, joint_motion, turn_between
from rewardgen_envs.physics import Physics
from rewardgen_envs.task import BoxAction, Task

HERE = Path(__file__).parent
LONGEST_STRIDE_M = 0.05  # how far ahead of the hand its target lies at an action of 1
WIDEST_OPENING_M = 0.08
POSTURE_GAIN = 0.05  # share of the way back to the home posture that the spare joint takes
PAD_SIZE_M = (0.02, 0.044)  # of a finger's inner side: across, along the finger
PAD_BACK_M = 0.013  # how far the middle of that side lies behind the point between the tips
TOUCH_M = (-0.01, 0.002)  # gaps at which a finger is said to touch; contacts are soft

PANDA_FEATURES = (
    Feature("hand_position", (3,), "m", "Point between the finger tips; x is ahead, z is up."),
    Feature("hand_velocity", (3,), "m/s", "Velocity of the same point."),
    Feature("hand_quaternion", (4,), "1", "Orientation of the hand, scalar part first."),
    Feature("finger_opening", (), "m", "Distance between the fingers, 0 to 0.08."),
    Feature("finger_velocity", (), "m/s", "How fast the fingers open; negative when they close."),
    Feature("joint_angles", (JOINTS,), "rad", "Angles of the arm's joints, from base to hand."),
    Feature("joint_velocities", (JOINTS,), "rad/s", "Velocities of the same joints."),
)


class Panda(Task):
    """An arm that is moved by its hand; 0.04 s per control step.

    Attributes:
        home: the joint angles at which episodes begin; they give the hand its orientation.
        start_noise_rad: how far each joint is off at the beginning, to either side.
        workspace_m: the lowest and the highest coordinates to which the hand is sent.
    """

    decimation = 8
    home: ClassVar[tuple[float, ...]]
    start_noise_rad: ClassVar[float] = 0.05
    workspace_m: ClassVar[tuple[tuple[float, float, float], tuple[float, float, float]]]

    @property
    def action(self) -> BoxAction:
        """Motion of the hand along x, y and z, and the opening of the fingers."""
        return BoxAction(4)

    def actuate(self, action: Tensor, features: FeatureView) -> Float[Tensor, "B 9"]:
        """Return position targets for joints and fingers.

        Along each axis the hand's target lies up to 0.05 m ahead of where it is, within the
        workspace, and in the orientation of the home posture. -1 closes the fingers, 1 opens them.
        """
        angles = features.joint_angles.to(torch.float64)
        action = action.to(torch.float64)
        home = torch.tensor([self.home], dtype=angles.dtype, device=angles.device)
        low, high = torch.tensor(self.workspace_m, dtype=angles.dtype, device=angles.device)
        pose = hand_pose(angles)
        target = pose.position + LONGEST_STRIDE_M * action[:, :3]
        stride = torch.minimum(torch.maximum(target, low), high) - pose.position
        # an arm that was pushed out of the workspace comes back without a jerk
        stride = stride.clamp(-LONGEST_STRIDE_M, LONGEST_STRIDE_M)
        twist = torch.cat([stride, turn_between(pose, hand_pose(home))], dim=1)
        motion = joint_motion(pose.jacobian, twist, POSTURE_GAIN * (home - angles))
        fingers = 0.25 * WIDEST_OPENING_M * (action[:, 3:] + 1.0)
        return torch.cat([angles + motion, fingers, fingers], dim=1)

    def start(self, draw: Draw) -> tuple[Float[Tensor, "R 9"], Float[Tensor, "R 9"]]:
        """Return positions and velocities: near home, fingers open, at rest."""
        noise = draw.uniform("joints", (JOINTS,), -self.start_noise_rad, self.start_noise_rad)
        angles = torch.tensor([self.home], dtype=noise.dtype, device=noise.device) + noise
        fingers = torch.full_like(angles[:, :2], 0.5 * WIDEST_OPENING_M)
        qpos = torch.cat([angles, fingers], dim=1)
        return qpos, torch.zeros_like(qpos)


def add_hand_sensors(spec: mujoco.MjSpec) -> mujoco.MjSpec:
    """Add the sensor of the hand's velocity to a scene with the robot."""
    spec.add_sensor(
        name="hand_velocity",
        type=mujoco.mjtSensor.mjSENS_FRAMELINVEL,
        objtype=mujoco.mjtObj.mjOBJ_SITE,
        objname="grasp",
    )
    return spec


def measure_panda(physics: Physics) -> dict[str, Tensor]:
    """Return the features of the robot."""
    left, right = (physics.joint_position(f"{side}_finger") for side in ("left", "right"))
    speeds = [physics.joint_velocity(f"{side}_finger") for side in ("left", "right")]
    return {
        "hand_position": physics.site_position("grasp"),
        "hand_velocity": physics.sensor("hand_velocity"),
        "hand_quaternion": physics.body_quaternion("hand"),
        "finger_opening": left + right,
        "finger_velocity": speeds[0] + speeds[1],
        "joint_angles": physics.qpos[:, :JOINTS],
        "joint_velocities": physics.qvel[:, :JOINTS],
    }


def fingers_touch(
    physics: Physics, position: Float[Tensor, "R 3"], reach: Float[Tensor, "R 3"]
) -> Bool[Tensor, "R 2"]:
    """Whether the inner side of the left and of the right finger lies against a body.

    Args:
        physics: the worlds.
        position: the body's centre.
        reach: how far the body reaches from there along the hand's axes, to either side.
    """
    away = position - physics.site_position("grasp")
    center = (physics.body_matrix("hand") * away.unsqueeze(2)).sum(1)
    across = center[:, 0].abs() < reach[:, 0] + 0.5 * PAD_SIZE_M[0]
    along = (center[:, 2] + PAD_BACK_M).abs() < reach[:, 2] + 0.5 * PAD_SIZE_M[1]
    gaps = torch.stack(
        [
            physics.joint_position("left_finger") - center[:, 1] - reach[:, 1],
            physics.joint_position("right_finger") + center[:, 1] - reach[:, 1],
        ],
        dim=1,
    )
    near = (gaps > TOUCH_M[0]) & (gaps < TOUCH_M[1])
    return near & (across & along).unsqueeze(1)


def reach_of_box(
    physics: Physics, matrix: Float[Tensor, "R 3 3"], half_size_m: tuple[float, float, float]
) -> Float[Tensor, "R 3"]:
    """Return how far a box reaches from its centre along the hand's axes.

    Args:
        physics: the worlds.
        matrix: the box's rotation; columns are its axes.
        half_size_m: half its edges.
    """
    axes = (physics.body_matrix("hand").unsqueeze(3) * matrix.unsqueeze(2)).sum(1)
    return (axes.abs() * axes.new_tensor(half_size_m)).sum(2)
