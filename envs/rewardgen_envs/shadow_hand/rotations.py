"""Rotations of a batch, as quaternions with the scalar part first."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def about_vertical(angle: Float[Tensor, "..."]) -> Float[Tensor, "... 4"]:
    """Return the rotation by ``angle`` (rad) about the world's z axis."""
    zero = torch.zeros_like(angle)
    return torch.stack([torch.cos(0.5 * angle), zero, zero, torch.sin(0.5 * angle)], dim=-1)


def multiply(p: Float[Tensor, "... 4"], q: Float[Tensor, "... 4"]) -> Float[Tensor, "... 4"]:
    """Return the Hamilton product: rotate by ``q``, then by ``p``."""
    p_w, p_v, q_w, q_v = p[..., :1], p[..., 1:], q[..., :1], q[..., 1:]
    scalar = p_w * q_w - (p_v * q_v).sum(-1, keepdim=True)
    # torch's own cross product wants equal types, and engines differ in theirs
    cross = p_v.roll(-1, -1) * q_v.roll(1, -1) - p_v.roll(1, -1) * q_v.roll(-1, -1)
    vector = p_w * q_v + q_w * p_v + cross
    return torch.cat([scalar, vector], dim=-1)


def length(vector: Float[Tensor, "... 3"]) -> Float[Tensor, "..."]:
    """Return the Euclidean length."""
    return vector.square().sum(-1).sqrt()


def rotation_vector(
    start: Float[Tensor, "... 4"], end: Float[Tensor, "... 4"]
) -> Float[Tensor, "... 3"]:
    """Return the shortest rotation from one orientation to another.

    Its direction is the axis in the world's frame, its length the angle in rad, up to pi.

    Args:
        start: unit quaternions.
        end: unit quaternions.
    """
    inverse = torch.cat([start[..., :1], -start[..., 1:]], dim=-1)
    between = multiply(end, inverse)
    cosine, axis = between[..., :1], between[..., 1:]
    sine = length(axis).unsqueeze(-1)
    # q and -q are the same orientation: the one with a positive scalar part is nearer
    angle = 2.0 * torch.atan2(sine, cosine.abs())
    unit = torch.where(cosine < 0.0, -axis, axis) / sine.clamp(min=1e-12)
    return angle * unit


def heading_change(
    before: Float[Tensor, "... 3"], after: Float[Tensor, "... 3"]
) -> Float[Tensor, "..."]:
    """Return by how much a direction turned about the world's z axis, in rad, in (-pi, pi].

    Only the horizontal parts count; both must be longer than zero for it to mean anything.
    """
    sine = before[..., 0] * after[..., 1] - before[..., 1] * after[..., 0]
    cosine = before[..., 0] * after[..., 0] + before[..., 1] * after[..., 1]
    return torch.atan2(sine, cosine)
