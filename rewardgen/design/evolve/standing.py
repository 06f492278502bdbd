"""How well all candidates so far did, also those that retired from a race early.

Two views of fitness count alike: a few evaluation episodes of the policies as they ended, and the
many training episodes of the last third, which say less about the end but hardly depend on luck.
Those who are level in both, mostly since their fitness is still 0, are told apart by how far they
moved the quantities that the sentence speaks of, stage by stage.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, median

from rewardgen.analysis.feedback import Column, Feedback
from rewardgen.design.evolve.learn import ranks
from rewardgen.design.evolve.lexicon import Want
from rewardgen.design.evolve.sample import GOAL_SHARPNESS
from rewardgen.design.evolve.space import Quantity, Space
from rewardgen.design.evolve.stages import first_way, targets_of

# what was moved counts so much against fitness
LEVEL = 0.3
# fewer finishers than this do not say what a retired candidate would have come to
FINISHERS = 4
# whoever has gone this share of a way is where the next stage begins
MOST = 0.8


def standings(candidates: Sequence[Feedback], space: Space) -> list[float]:
    """Return how well each candidate did, about 1 for a good one, -1 for a bad one."""
    ended = _above_median(_finals(candidates))
    late = _above_median([c.late_score or 0.0 for c in candidates])
    moved = _normal_scores(ranks(_moved(candidates, space)))
    level = sum(a == b == 0.0 for a, b in zip(ended, late, strict=True)) > 1
    return [
        (a + b) / 2 if (a, b) != (0.0, 0.0) or not level else LEVEL * m
        for a, b, m in zip(ended, late, moved, strict=True)
    ]


def _above_median(values: Sequence[float]) -> list[float]:
    """Return the differences to the median, in units of those of the better half.

    How much better the best are says a lot; how bad the worst are, nothing: they all get -1.
    """
    centre = median(values)
    better = [value - centre for value in values if value > centre]
    unit = fmean(value**2 for value in better) ** 0.5 if better else 1.0
    return [max(-1.0, (value - centre) / unit) for value in values]


def _normal_scores(places: Sequence[float]) -> list[float]:
    """Return the quantiles of the standard normal that belong to ranks 1 to n (van der Waerden)."""
    normal = NormalDist()
    return [normal.inv_cdf(place / (len(places) + 1)) for place in places]


def _finals(candidates: Sequence[Feedback]) -> list[float]:
    """Return scores after the whole training.

    Of those who retired, what finishers of the same pace came to, at most what the best did.
    """
    longest = max(c.env_steps for c in candidates)
    finishers = [c for c in candidates if c.env_steps == longest]
    scores = [c.score or 0.0 for c in finishers]
    # candidates retire after a few rungs, thousands of them after the same
    lines: dict[int, _Line] = {}
    finals: list[float] = []
    for candidate in candidates:
        own, env_steps = candidate.score or 0.0, candidate.env_steps
        if env_steps == longest or len(finishers) < FINISHERS:
            finals.append(own)
            continue
        if env_steps not in lines:
            lines[env_steps] = _regression([_pace(c, env_steps) for c in finishers], scores)
        expected = lines[env_steps].at(_pace(candidate, env_steps))
        finals.append(min(expected, max(scores)))
    return finals


def _pace(candidate: Feedback, env_steps: int) -> float:
    """Return the fitness in training just before some env-steps, larger is better."""
    fitness = candidate.fitness[0]
    series = candidate.training_fitness.get(fitness.metric)
    if series is None:
        return fitness.score
    values = [
        value
        for value, end in zip(series.values, candidate.checkpoints, strict=False)
        if end <= env_steps
    ] or series.values
    return values[-1] if fitness.higher_is_better else -values[-1]


@dataclass(frozen=True)
class _Line:
    """A line through ``(centre, level)``."""

    centre: float
    level: float
    slope: float

    def at(self, x: float) -> float:
        """Return its value."""
        return self.level + self.slope * (x - self.centre)


def _regression(inputs: Sequence[float], outputs: Sequence[float]) -> _Line:
    """Return the least-squares line among those that do not fall."""
    centre, level = fmean(inputs), fmean(outputs)
    spread = sum((x - centre) ** 2 for x in inputs)
    together = sum((x - centre) * (y - level) for x, y in zip(inputs, outputs, strict=True))
    return _Line(centre, level, max(0.0, together / spread) if spread > 0.0 else 0.0)


def _moved(candidates: Sequence[Feedback], space: Space) -> list[float]:
    """Return how far each candidate moved what the sentence speaks of, as a mean of ranks.

    What is to come after a way counts only for those who have gone most of it: who stays where it
    began has an easy time with that.
    """
    columns = [{column.name: column for column in c.columns} for c in candidates]
    way = first_way(space)
    arrived = [way is None or _arrived(known, *way) for known in columns]
    totals = [0.0] * len(candidates)
    whole = 0.0
    for quantity in space.quantities:
        if not all(quantity.column in known for known in columns):
            continue
        # what else may be wanted of a quantity often pulls the other way
        want, strength = max(quantity.wants.items(), key=lambda pair: pair[1])
        share = strength / sum(quantity.wants.values())
        reached = [_reached(known[quantity.column], quantity, want) for known in columns]
        later = 0.0 if way is None else min(quantity.follows, quantity.relevance)
        parts = [(quantity.relevance - later, reached)]
        if later > 0.0:
            held = [r if there else -math.inf for r, there in zip(reached, arrived, strict=True)]
            parts.append((later, held))
        for relevance, values in parts:
            weight = (relevance * share) ** GOAL_SHARPNESS
            for place, rank in enumerate(ranks(values)):
                totals[place] += weight * rank
            whole += weight
    return [total / whole for total in totals] if whole > 0.0 else totals


def _arrived(columns: Mapping[str, Column], way: Quantity, want: Want, target: float) -> bool:
    """Whether a candidate went most of a way, at the best of times."""
    column = columns.get(way.column)
    if column is None:
        return False
    return (column.high if want is Want.MORE else column.low) / target >= MOST


def _reached(column: Column, quantity: Quantity, want: Want) -> float:
    """Return how much of a want was there, at the best of times for a goal to reach."""
    match want:
        case Want.MORE:
            top = max(targets_of(quantity, want), default=math.inf)
            return min(top, fmean(column.members)) + min(top, column.high)
        case Want.LESS:
            bottom = min(targets_of(quantity, want), default=-math.inf)
            return -max(bottom, fmean(column.members)) - max(bottom, column.low)
        case Want.NEAR:
            return -abs(fmean(column.members) - quantity.target)
