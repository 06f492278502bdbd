"""Seeds: every random number of a run follows from the run's seed, in no order.

A seed is a hash of what it is for, so that a candidate's seeds do not depend on how many
others there were, in which order they came, or whether the run was interrupted. The lowest
bits name the purpose: seeds of different purposes can never be equal. Seeds stay below 2**53,
which every JSON reader keeps exact.
"""

from __future__ import annotations

import hashlib
import json
from enum import IntEnum

_PURPOSE_BITS = 4
_HASH_BITS = 53 - _PURPOSE_BITS


class Purpose(IntEnum):
    """What a seed is for."""

    DESIGN = 0
    SURVEY = 1
    SEARCH_TRAINING = 2
    SEARCH_EVALUATION = 3
    TRIAL_TRAINING = 4
    TRIAL_EVALUATION = 5
    STATISTICS = 7
    VIDEO = 8
    ANALYSIS = 9


def derive_seed(
    run_seed: int,
    purpose: Purpose,
    *,
    iteration: int = 0,
    slot: int = 0,
    attempt: int = 0,
    rung: int = 0,
    index: int = 0,
) -> int:
    """Return the seed of one purpose, in [0, 2**53).

    Args:
        run_seed: seed of the run.
        purpose: what it is for.
        iteration: round of the search.
        slot: place of the candidate within the round.
        attempt: number of the attempt to fill the slot.
        rung: number of the rung.
        index: member, episode or arm.

    Raises:
        ValueError: a negative number.
    """
    place = {
        "attempt": attempt,
        "index": index,
        "iteration": iteration,
        "run_seed": run_seed,
        "rung": rung,
        "slot": slot,
    }
    for name, value in place.items():
        if value < 0:
            raise ValueError(f"{name} must not be negative, got {value}")
    key = json.dumps({**place, "purpose": purpose.name.lower()}, sort_keys=True).encode()
    number = int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big")
    return (number >> (64 - _HASH_BITS) << _PURPOSE_BITS) | purpose


def derive_seeds(
    run_seed: int,
    purpose: Purpose,
    count: int,
    *,
    iteration: int = 0,
    slot: int = 0,
    attempt: int = 0,
    rung: int = 0,
) -> tuple[int, ...]:
    """Return ``count`` seeds of one purpose; a longer list starts with the shorter one."""
    return tuple(
        derive_seed(
            run_seed,
            purpose,
            iteration=iteration,
            slot=slot,
            attempt=attempt,
            rung=rung,
            index=index,
        )
        for index in range(count)
    )
