"""Comparing what a task's methods return."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor

from rewardgen_envs.task import TaskError

# A reduction or a vector instruction may round differently for another number of rows.
ROUNDING = 1e-5


def tensors(method: str, values: object) -> dict[str, Tensor]:
    """Return copies of what a task's method returned by name.

    Raises:
        TaskError: it is no dict of tensors.
    """
    if not isinstance(values, Mapping):
        raise TaskError(f"{method}() returns a {type(values).__name__}, not a dict of tensors")
    named = cast("Mapping[object, object]", values)
    for name, value in named.items():
        if not isinstance(value, Tensor):
            raise TaskError(f"{method}() gives {name!r} of type {type(value).__name__}, no tensor")
    return {str(name): cast("Tensor", value).clone() for name, value in named.items()}


def same_bits(left: Mapping[str, Tensor], right: Mapping[str, Tensor]) -> str | None:
    """Return the first name whose values are not bit-equal, None if all are."""
    for name, value in left.items():
        other = right.get(name)
        if other is None or value.shape != other.shape or value.dtype != other.dtype:
            return name
        if not torch.equal(_bits(value), _bits(other)):
            return name
    return None


def same_values(left: Mapping[str, Tensor], right: Mapping[str, Tensor]) -> str | None:
    """Return the first name whose values differ by more than rounding, None if none does."""
    for name, value in left.items():
        other = right.get(name)
        if other is None or value.shape != other.shape or not close(value, other):
            return name
    return None


def close(left: Tensor, right: Tensor) -> bool:
    """Whether values are equal but for rounding, measured against the largest of them."""
    left, right = left.double(), right.double()
    finite = left.isfinite() & right.isfinite()
    if not torch.equal(_bits(left.where(~finite, 0)), _bits(right.where(~finite, 0))):
        return False
    left, right = left.where(finite, 0), right.where(finite, 0)
    scale = float(left.abs().max()) if left.numel() else 0.0
    return bool(((left - right).abs() <= ROUNDING * (1e-3 + scale)).all())


def _bits(value: Tensor) -> Tensor:
    """Make NaN equal to NaN."""
    return value.nan_to_num(nan=1.25e30) if value.is_floating_point() else value
