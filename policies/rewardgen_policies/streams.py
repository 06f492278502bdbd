"""Random streams: every generator is keyed by what it is for, never by the order of use."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch


def stream_seed(*key: str | int) -> int:
    """Return a seed in [0, 2**63) that depends on every part of the key."""
    text = "/".join(str(part) for part in key)
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def generators(
    purpose: str, seeds: Sequence[int], rung: int, device: torch.device | None = None
) -> list[torch.Generator]:
    """Return one generator per member, keyed by (purpose, seed, rung).

    Args:
        purpose: what they are for.
        seeds: of the members.
        rung: number of the rung.
        device: where numbers are drawn; they differ between kinds of device.
    """
    where = device or torch.device("cpu")
    return [torch.Generator(where).manual_seed(stream_seed(purpose, seed, rung)) for seed in seeds]
