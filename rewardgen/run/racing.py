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
    count = max(1, math.ceil(len(ranked) * keep))
    cut = scores[ranked[count - 1]]
    if scores[ranked[0]] == scores[ranked[-1]]:
        return ranked
    return [name for name in ranked if scores[name] >= cut]
