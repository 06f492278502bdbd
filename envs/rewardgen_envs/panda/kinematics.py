"""From a wanted motion of the Panda's hand to joint angles, for a batch of arms.

Everything is computed elementwise and row by row, so that a row's result does not depend on how
many others there are. Lengths are in m, angles in rad.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

JOINTS = 7
# of each joint's frame in the one before: origin (x, y, z), quarter turns about x; joints turn
# about the z axes. As in assets/panda.xml.
_FRAMES = (
    ((0.0, 0.0, 0.333), 0),
    ((0.0, 0.0, 0.0), -1),
    ((0.0, -0.316, 0.0), 1),
    ((0.0825, 0.0, 0.0), 1),
    ((-0.0825, 0.384, 0.0), -1),
    ((0.0, 0.0, 0.0), 1),
    ((0.088, 0.0, 0.0), 1),
)
_GRASP_M = 0.107 + 0.1034  # from the last joint's frame to between the finger tips, along z
_HAND_TURN_RAD = -math.pi / 4.0  # of the hand about the same axis
_DAMPING = 0.05  # keeps joint motions small where the arm is stretched out


@dataclass(frozen=True)
class HandPose:
    """Where the hand is, and how it follows the joints.

    Attributes:
        position: the point between the finger tips.
        axes: the hand's x, y (along which the fingers close) and z axis (along the fingers).
        jacobian: velocity (first three rows) and angular velocity of the hand per joint velocity.
    """

    position: Float[Tensor, "B 3"]
    axes: tuple[Float[Tensor, "B 3"], Float[Tensor, "B 3"], Float[Tensor, "B 3"]]
    jacobian: Float[Tensor, "B 6 7"]


def hand_pose(angles: Float[Tensor, "B 7"]) -> HandPose:
    """Return the pose of the hand in the frame of the arm's base."""
    x, y, z = (
        torch.eye(3, dtype=angles.dtype, device=angles.device).expand(len(angles), 3, 3).unbind(1)
    )
    position = torch.zeros_like(x)
    origins: list[Tensor] = []
    axes: list[Tensor] = []
    for (offset, quarter_turns), angle in zip(_FRAMES, angles.unbind(1), strict=True):
        position = position + offset[0] * x + offset[1] * y + offset[2] * z
        if quarter_turns:
            y, z = quarter_turns * z, -quarter_turns * y
        x, y = _turned(x, y, torch.cos(angle).unsqueeze(1), torch.sin(angle).unsqueeze(1))
        origins.append(position)
        axes.append(z)
    position = position + _GRASP_M * z
    x, y = _turned(x, y, math.cos(_HAND_TURN_RAD), math.sin(_HAND_TURN_RAD))
    axis = torch.stack(axes, dim=2)
    arm = position.unsqueeze(2) - torch.stack(origins, dim=2)
    jacobian = torch.cat([torch.cross(axis, arm, dim=1), axis], dim=1)
    return HandPose(position, (x, y, z), jacobian)


def turn_between(pose: HandPose, wanted: HandPose) -> Float[Tensor, "B 3"]:
    """Return the turn from a pose to the wanted one as axis times sine of the angle."""
    turns = [
        torch.cross(axis, goal.expand_as(axis), dim=1)
        for axis, goal in zip(pose.axes, wanted.axes, strict=True)
    ]
    return 0.5 * (turns[0] + turns[1] + turns[2])


def joint_motion(
    jacobian: Float[Tensor, "B 6 7"],
    twist: Float[Tensor, "B 6"],
    preferred: Float[Tensor, "B 7"],
) -> Float[Tensor, "B 7"]:
    """Return the joint motion that moves the hand by ``twist``.

    By damped least squares (Nakamura & Hanafusa 1986). Of all such motions it is the one nearest
    to the ``preferred`` one, as the arm has one joint more than needed.
    """
    rest = twist - (jacobian * preferred.unsqueeze(1)).sum(2)
    gram = (jacobian.unsqueeze(2) * jacobian.unsqueeze(1)).sum(3)
    gram = gram + _DAMPING**2 * torch.eye(6, dtype=gram.dtype, device=gram.device)
    return preferred + (jacobian * _solved(gram, rest).unsqueeze(2)).sum(1)


def _turned(
    x: Tensor, y: Tensor, cosine: Tensor | float, sine: Tensor | float
) -> tuple[Tensor, Tensor]:
    """Turn a frame about its z axis."""
    return cosine * x + sine * y, cosine * y - sine * x


def _solved(matrix: Float[Tensor, "B n n"], right: Float[Tensor, "B n"]) -> Float[Tensor, "B n"]:
    """Solve symmetric positive definite systems by Gauss-Jordan elimination.

    Libraries block their loops, so that the last bits of a row depend on the size of the batch.
    """
    system = torch.cat([matrix, right.unsqueeze(2)], dim=2)
    for pivot in range(right.shape[1]):
        row = system[:, pivot : pivot + 1] / system[:, pivot : pivot + 1, pivot : pivot + 1]
        system = system - system[:, :, pivot : pivot + 1] * row
        system[:, pivot : pivot + 1] = row
    return system[:, :, -1]
