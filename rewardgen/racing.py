"""Racing: who goes on to the next rung. Ranked by fitness, never by a candidate's own reward."""

from __future__ import annotations

import math
from collections.abc import Mapping


def survivors(scores: Mapping[str, float], keep: float) -> list[str]:
    """Return the candidates that go on, best first.

    While all scores tie (early fitness is often 0 for everybody) nobody is pruned, since the
    order would be arbitrary. Ties at the cut go on as well.

    Args:
        scores: candidate → score, higher is better.
        keep: share of the candidates that goes on; at least one does.
    """
    ranked = sorted(scores, key=lambda name: (-scores[name], name))
    if not ranked:
        return []
    cut = scores[ranked[places(len(ranked), keep) - 1]]
    if scores[ranked[0]] == scores[ranked[-1]]:
        return ranked
    return [name for name in ranked if scores[name] >= cut]


def places(candidates: int, keep: float) -> int:
    """Return how many of so many candidates go on if no scores tie."""
    return max(1, math.ceil(candidates * keep))


def fields(candidates: int, rungs: int, keep: float) -> list[int]:
    """Return the candidates in each rung if no scores tie; it is over when one is left.

    A candidate that starts alone has nobody to beat: it trains through all rungs.
    """
    field = [candidates]
    while len(field) < rungs and (candidates == 1 or places(field[-1], keep) > 1):
        field.append(places(field[-1], keep))
    return field
