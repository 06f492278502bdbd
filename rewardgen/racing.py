"""Racing: who goes on to the next rung. Ranked by fitness, never by a candidate's own reward."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

Race = Literal["halving", "asha"]
"""How a rung is cut: ``halving`` keeps a share of those who ran it together (successive halving,
Jamieson and Talwalkar 2016); ``asha`` keeps who is in that share of all that ever ran this rung,
of earlier iterations too (the promotion rule of Li et al. 2020)."""


def survivors(scores: Mapping[str, float], keep: float, pool: Sequence[float] = ()) -> list[str]:
    """Return the candidates that go on, best first.

    While all scores tie (early fitness is often 0 for everybody) nobody is pruned, since the
    order would be arbitrary. Ties at the cut go on as well.

    Args:
        scores: candidate → score, higher is better.
        keep: share of the candidates that goes on; at least one does.
        pool: scores of others that ran the same rung earlier; the share is of them as well.
    """
    ranked = sorted(scores, key=lambda name: (-scores[name], name))
    if not ranked:
        return []
    everybody = sorted([*scores.values(), *pool], reverse=True)
    if everybody[0] == everybody[-1]:
        return ranked
    cut = everybody[places(len(everybody), keep) - 1]
    return [name for name in ranked if scores[name] >= cut] or ranked[:1]


def wildcards(
    scores: Mapping[str, float],
    before: Mapping[str, float],
    going_on: Sequence[str],
    count: int,
) -> list[str]:
    """Return those left behind that go on nevertheless: who gained most since the last rung.

    Some rewards are slow and better in the end, and a cut by the score alone never sees that. After
    the first rung, when nobody has gained anything yet, it is the best of those left behind.

    Args:
        scores: candidate → score after this rung, higher is better.
        before: the same after the rung before; empty after the first one.
        going_on: who goes on by score.
        count: how many wildcards there are.
    """
    gains = {
        name: score - before.get(name, 0.0)
        for name, score in scores.items()
        if name not in going_on
    }
    return sorted(gains, key=lambda name: (-gains[name], name))[:count]


def places(candidates: int, keep: float) -> int:
    """Return how many of so many candidates go on by score if no scores tie."""
    return max(1, math.ceil(candidates * keep))


def fields(candidates: int, rungs: int, keep: float, wildcards: int = 0) -> list[int]:
    """Return the candidates in each rung if no scores tie; it is over when one is left.

    A candidate that starts alone has nobody to beat: it trains through all rungs.
    """
    field = [candidates]
    while len(field) < rungs and (candidates == 1 or left(field[-1], keep, wildcards) > 1):
        field.append(left(field[-1], keep, wildcards))
    return field


def left(candidates: int, keep: float, wildcards: int) -> int:
    """Return how many of so many candidates go on if no scores tie, wildcards among them."""
    return min(candidates, places(candidates, keep) + wildcards)
