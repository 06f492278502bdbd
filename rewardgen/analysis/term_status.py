"""When a term gives a policy nothing to act on: dead, or saturated. One rule for all who tell."""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Float

from rewardgen.analysis.feedback import TermStatus

DEAD_BELOW = 0.01
"""Share of the liveliest term's deviation, and of the advantage."""
EDGE = 0.01
"""How near to an end of its range, as a share of it, a term counts as at that end."""
SATURATED_FROM = 0.95
"""Share of the steps at one end."""


def is_dead(deviation: float, liveliest: float, share: float | None) -> bool:
    """Whether a term neither varies nor has a part in what drives the policy.

    A constant that is paid until a termination does not vary, and may well drive it.

    Args:
        deviation: standard deviation of the term.
        liveliest: the largest deviation among the reward's terms.
        share: of the advantage; None if unknown.
    """
    return deviation <= DEAD_BELOW * liveliest and abs(share or 0.0) <= DEAD_BELOW


def edges(values: Float[np.ndarray, " N"]) -> tuple[float, float]:
    """Return the shares of values within 1 % of the range of the lowest, and of the highest."""
    low, high = float(values.min()), float(values.max())
    near = EDGE * (high - low)
    return float((values <= low + near).mean()), float((values >= high - near).mean())


def status_on_steps(
    values: Float[np.ndarray, " N"], liveliest: float, share: float | None
) -> Literal[TermStatus.OK, TermStatus.DEAD, TermStatus.SATURATED]:
    """Return a term's status by its values on many steps; along training see ``summary.py``."""
    if is_dead(float(values.std()), liveliest, share):
        return TermStatus.DEAD
    return TermStatus.SATURATED if max(edges(values)) >= SATURATED_FROM else TermStatus.OK
