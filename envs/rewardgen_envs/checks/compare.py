"""Comparing what a task's methods return."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

# A reduction or a vector instruction may round differently for another number of rows.
ROUNDING = 1e-5


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
