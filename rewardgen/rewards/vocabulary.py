"""The vocabulary of reward code: pure, row-wise torch functions, in scope without an import.

Only torch and math may be used here: an exported reward carries a copy of what it uses.
Quaternions are (..., 4) with the scalar part first; vectors are (..., 3).
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from torch import Tensor

Sigmoid = Literal[
    "gaussian", "linear", "quadratic", "cosine", "hyperbolic", "long_tail", "reciprocal",
    "tanh_squared",
]  # fmt: skip


def _falloff(distance: Tensor, value_at_1: float, sigmoid: str) -> Tensor:
    """Return 1 at distance 0 and ``value_at_1`` at distance 1, falling in between."""
    if sigmoid == "gaussian":
        return torch.exp(math.log(value_at_1) * distance**2)
    if sigmoid == "hyperbolic":
        return 1.0 / torch.cosh(distance * math.acosh(1.0 / value_at_1))
    if sigmoid == "long_tail":
        return 1.0 / (1.0 + (1.0 / value_at_1 - 1.0) * distance**2)
    if sigmoid == "reciprocal":
        return 1.0 / (1.0 + (1.0 / value_at_1 - 1.0) * distance)
    if sigmoid == "tanh_squared":
        return 1.0 - torch.tanh(distance * math.atanh(math.sqrt(1.0 - value_at_1))) ** 2
    if sigmoid == "linear":
        return (1.0 - (1.0 - value_at_1) * distance).clamp(min=0.0)
    if sigmoid == "quadratic":
        return (1.0 - (1.0 - value_at_1) * distance**2).clamp(min=0.0)
    if sigmoid == "cosine":
        angle = distance * math.acos(2.0 * value_at_1 - 1.0)
        return torch.where(angle < math.pi, (1.0 + torch.cos(angle)) / 2.0, 0.0)
    raise ValueError(f"unknown sigmoid '{sigmoid}'. Valid: {', '.join(get_args(Sigmoid))}")


def tolerance(
    x: Tensor,
    bounds: tuple[float, float] = (0.0, 0.0),
    margin: float = 0.0,
    sigmoid: Sigmoid = "gaussian",
    value_at_margin: float = 0.1,
) -> Tensor:
    """Return 1 where ``x`` is within ``bounds``, falling to 0 outside; same shape as ``x``.

    Defined as in the DeepMind Control Suite (Tassa et al. 2018): at distance ``margin`` from the
    bounds the value is ``value_at_margin``; margin 0 gives a step.

    Raises:
        ValueError: lower bound above upper, negative margin, value or sigmoid out of range.
    """
    lower, upper = bounds
    if lower > upper:
        raise ValueError(f"tolerance: lower bound {lower} is above the upper bound {upper}")
    if margin < 0.0:
        raise ValueError(f"tolerance: margin {margin} is negative")
    reaches_zero = sigmoid in ("linear", "quadratic", "cosine")
    if not (0.0 <= value_at_margin < 1.0) or (value_at_margin == 0.0 and not reaches_zero):
        raise ValueError(f"tolerance: value_at_margin {value_at_margin} is not in (0, 1)")
    inside = (x >= lower) & (x <= upper)
    if margin == 0.0:
        return inside.to(x.dtype)
    distance = torch.where(x < lower, lower - x, x - upper) / margin
    return torch.where(inside, 1.0, _falloff(distance, value_at_margin, sigmoid))


def norm_l2(x: Tensor) -> Tensor:
    """Return the Euclidean norm of the last dimension: (..., n) to (...)."""
    return (x * x).sum(dim=-1).sqrt()


def norm_l1(x: Tensor) -> Tensor:
    """Return the sum of absolute values of the last dimension: (..., n) to (...)."""
    return x.abs().sum(dim=-1)


def unit(x: Tensor) -> Tensor:
    """Return the vector scaled to length 1; a zero vector stays zero."""
    return x / norm_l2(x).clamp(min=1e-8).unsqueeze(-1)


def _cross(a: Tensor, b: Tensor) -> Tensor:
    return a.roll(-1, -1) * b.roll(1, -1) - a.roll(1, -1) * b.roll(-1, -1)


def quat_conjugate(q: Tensor) -> Tensor:
    """Return the conjugate, which is the inverse of a unit quaternion."""
    return torch.cat([q[..., :1], -q[..., 1:]], dim=-1)


def quat_multiply(p: Tensor, q: Tensor) -> Tensor:
    """Return the Hamilton product: rotate by ``q``, then by ``p``."""
    pw, pv, qw, qv = p[..., :1], p[..., 1:], q[..., :1], q[..., 1:]
    scalar = pw * qw - (pv * qv).sum(dim=-1, keepdim=True)
    return torch.cat([scalar, pw * qv + qw * pv + _cross(pv, qv)], dim=-1)


def quat_apply(q: Tensor, v: Tensor) -> Tensor:
    """Rotate ``v`` by the unit quaternion ``q``: from the body's frame into the world's."""
    axis = q[..., 1:]
    twice = 2.0 * _cross(axis, v)
    return v + q[..., :1] * twice + _cross(axis, twice)


def quat_rotate_inverse(q: Tensor, v: Tensor) -> Tensor:
    """Rotate ``v`` by the inverse of ``q``: from the world's frame into the body's."""
    return quat_apply(quat_conjugate(q), v)


def quat_up(q: Tensor) -> Tensor:
    """Return the body's z axis in the world's frame, (..., 3); its last part is 1 upright."""
    w, x, y, z = q.unbind(dim=-1)
    up_x, up_y = 2.0 * (x * z + w * y), 2.0 * (y * z - w * x)
    return torch.stack([up_x, up_y, 1.0 - 2.0 * (x * x + y * y)], dim=-1)


def quat_yaw(q: Tensor) -> Tensor:
    """Return the heading about the world's z axis in rad, in (-pi, pi]."""
    w, x, y, z = q.unbind(dim=-1)
    return torch.atan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z))


def wrap_angle(x: Tensor) -> Tensor:
    """Return the angle in rad wrapped into (-pi, pi]."""
    return torch.atan2(torch.sin(x), torch.cos(x))


def bounded(x: Tensor, scale: float = 1.0) -> Tensor:
    """Return tanh(x / scale), smooth and within (-1, 1)."""
    return torch.tanh(x / scale)


def exp_kernel(error: Tensor, scale: float) -> Tensor:
    """Return exp(-(error / scale)²): 1 at no error, within (0, 1]."""
    return torch.exp(-((error / scale) ** 2))


def huber(x: Tensor, delta: float = 1.0) -> Tensor:
    """Return the Huber cost: x²/2 up to ``delta``, linear beyond."""
    size = x.abs()
    return torch.where(size <= delta, 0.5 * size**2, delta * (size - 0.5 * delta))
