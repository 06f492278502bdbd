"""Counter-based random numbers for resets.

A number depends only on (member seed, world of the member, episode, name, index), so it is the
same on every engine, for any population and order, after a resume, and for all members of one
evaluation. There is no generator state.
"""

from __future__ import annotations

import hashlib
import math

import torch
from jaxtyping import Int64
from torch import Tensor

_MASK_24 = (1 << 24) - 1


def _signed(value: int) -> int:
    """Reinterpret an unsigned 64-bit integer as two's complement, as int64 tensors hold it."""
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value


_GAMMA = _signed(0x9E3779B97F4A7C15)
_MIX_1 = _signed(0xBF58476D1CE4E5B9)
_MIX_2 = _signed(0x94D049BB133111EB)


def _shift_right(x: Tensor, bits: int) -> Tensor:
    """Logical right shift; torch's is arithmetic."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def _mix(x: Tensor) -> Tensor:
    """SplitMix64's finalizer (Steele, Lea & Flood 2014); int64 products wrap on every device."""
    x = (x ^ _shift_right(x, 30)) * _MIX_1
    x = (x ^ _shift_right(x, 27)) * _MIX_2
    return x ^ _shift_right(x, 31)


def _name_key(name: str) -> int:
    return _signed(int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big"))


class Draw:
    """Random numbers of a batch of worlds, each keyed by its own (seed, world, episode)."""

    def __init__(
        self,
        seed: Int64[Tensor, " B"],
        world: Int64[Tensor, " B"],
        episode: Int64[Tensor, " B"],
        dtype: torch.dtype = torch.float64,
    ) -> None:
        key = _mix(seed + _GAMMA)
        key = _mix(key ^ (world * _GAMMA + _MIX_1))
        self._key = _mix(key ^ (episode * _GAMMA + _MIX_2))
        self._dtype = dtype

    def _bits(self, name: str, size: int) -> Int64[Tensor, "B size"]:
        index = torch.arange(1, size + 1, device=self._key.device, dtype=torch.int64)
        return _mix((self._key ^ _name_key(name)).unsqueeze(1) + index * _GAMMA)

    def uniform(
        self, name: str, shape: tuple[int, ...] = (), low: float = 0.0, high: float = 1.0
    ) -> Tensor:
        """Return (B, *shape) numbers, uniform in [low, high).

        Args:
            name: names the quantity; two names are independent, the same name repeats.
            shape: shape per world.
            low: lower bound.
            high: upper bound.
        """
        bits = _shift_right(self._bits(name, math.prod(shape)), 40) & _MASK_24
        unit = bits.to(self._dtype) * 2.0**-24
        return (low + (high - low) * unit).reshape(-1, *shape)

    def normal(
        self, name: str, shape: tuple[int, ...] = (), mean: float = 0.0, std: float = 1.0
    ) -> Tensor:
        """Return (B, *shape) normal numbers (Box & Muller 1958)."""
        size = math.prod(shape)
        bits = self._bits(name, 2 * size)
        unit = ((_shift_right(bits, 40) & _MASK_24).to(self._dtype) + 0.5) * 2.0**-24
        radius = torch.sqrt(-2.0 * torch.log(unit[:, :size]))
        return (mean + std * radius * torch.cos(2.0 * math.pi * unit[:, size:])).reshape(-1, *shape)
