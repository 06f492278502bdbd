"""What the candidates so far teach: which quantities go along with fitness, and how far they go.

For every public column the evaluation of each member gives its mean, and the member's fitness is
known. Their rank correlation over all members so far raises the relevance of a quantity and
turns its wants; a quantity that varied less in fitter candidates is wanted near where the best
one kept it. Correlation is no proof, so the prior is tilted, not replaced.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import correlation

from rewardgen.analysis.columns import ColumnStatistics
from rewardgen.analysis.feedback import Column, Feedback
from rewardgen.design.designer import Tried
from rewardgen.design.evolve.lexicon import Want
from rewardgen.design.evolve.space import Quantity, Space

# as many members as this weigh as much as the prior belief that nothing is related
PRIOR_MEMBERS = 8.0
TILT = 4.0


@dataclass(frozen=True)
class Association:
    """How a column went along with fitness.

    Attributes:
        column: its name.
        level: rank correlation of its mean with the score, over members, in [-1, 1].
        spread: rank correlation of its 5 to 95 % spread with the score, over candidates.
        best: its distribution in the best candidate.
    """

    column: str
    level: float
    spread: float
    best: ColumnStatistics


def associations(history: Sequence[Tried]) -> dict[str, Association]:
    """Return the association of every column that evaluated candidates report."""
    scored = [t.feedback for t in history if t.feedback.score is not None and t.feedback.columns]
    if len(scored) < 3:
        return {}
    best = max(scored, key=lambda f: f.score or 0.0)
    by_name = [{column.name: column for column in f.columns} for f in scored]
    return {
        column.name: _associate(column, [columns[column.name] for columns in by_name], scored)
        for column in best.columns
        if all(column.name in columns for columns in by_name)
    }


def _associate(best: Column, columns: Sequence[Column], scored: Sequence[Feedback]) -> Association:
    levels: list[float] = []
    scores: list[float] = []
    for feedback, column in zip(scored, columns, strict=True):
        sign = 1.0 if feedback.fitness[0].higher_is_better else -1.0
        levels += column.members
        scores += [sign * value for value in feedback.fitness[0].members]
    spreads = [c.high - c.low for c in columns]
    return Association(
        column=best.name,
        level=rank_correlation(levels, scores),
        spread=rank_correlation(spreads, [f.score or 0.0 for f in scored]),
        best=_statistics(best),
    )


def rank_correlation(left: Sequence[float], right: Sequence[float]) -> float:
    """Return Spearman's correlation, shrunk towards 0 for few points; 0 if one is constant."""
    if len(left) < 3 or len(set(left)) == 1 or len(set(right)) == 1:
        return 0.0
    value = correlation(ranks(left), ranks(right))
    return value * len(left) / (len(left) + PRIOR_MEMBERS)


def ranks(values: Sequence[float]) -> list[float]:
    """Return ranks from 1, the least first; equal values share the average of theirs."""
    order = sorted(range(len(values)), key=values.__getitem__)
    edges = [i + 1 for i, (a, b) in enumerate(pairwise(order)) if values[a] != values[b]]
    found = [0.0] * len(values)
    for start, end in pairwise([0, *edges, len(values)]):
        for place in order[start:end]:
            found[place] = (start + end + 1) / 2
    return found


def _statistics(column: Column) -> ColumnStatistics:
    mean = sum(column.members) / len(column.members)
    return ColumnStatistics(mean, column.low, column.median, column.high)


def learned(space: Space, history: Sequence[Tried]) -> Space:
    """Return the space tilted by the associations seen so far."""
    known = associations(history)
    quantities = [_tilted(q, known[q.column]) if q.column in known else q for q in space.quantities]
    quantities.sort(key=lambda q: (-q.relevance, q.signal))
    return replace(space, quantities=tuple(quantities))


def _tilted(quantity: Quantity, found: Association) -> Quantity:
    wants = dict(quantity.wants)
    level = Want.MORE if found.level > 0 else Want.LESS
    wants[level] = wants.get(level, 0.0) + TILT * found.level**2
    target = quantity.target
    if found.spread < 0.0:
        wants[Want.NEAR] = wants.get(Want.NEAR, 0.0) + 0.5 * TILT * found.spread**2
        if quantity.wants.get(Want.NEAR, 0.0) < 0.5:
            target = found.best.median
    strength = max(abs(found.level), -found.spread)
    return replace(
        quantity, relevance=quantity.relevance + TILT * strength**3, wants=wants, target=target
    )


def seen_by(space: Space, feedback: Feedback) -> Space:
    """Return the space with the ranges that a candidate's policies reached."""
    columns = {column.name: column for column in feedback.columns}
    return replace(
        space,
        quantities=tuple(
            replace(q, seen=_statistics(columns[q.column])) if q.column in columns else q
            for q in space.quantities
        ),
    )
