"""Which candidates of a run are shown where there is no room for all."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from rewardgen.report.numbers import listed
from rewardgen.report.outcome import ranking
from rewardgen.store.records import CandidateRecord, ShowRecord

FINALISTS = ("evaluated", "confirmed")
"""States after all rungs; the fitness of candidates that stopped earlier is of less training."""


def finalists(record: ShowRecord) -> tuple[CandidateRecord, ...]:
    """Return the candidates that passed every rung, as they came."""
    return tuple(one for one in record.candidates if one.state in FINALISTS)


def best_first(record: ShowRecord) -> list[CandidateRecord]:
    """Return all candidates: the winner, then those that passed every rung, each by fitness."""
    sign = 1.0 if ranking(record).direction == "higher" else -1.0

    def place(one: CandidateRecord) -> tuple[bool, bool, float]:
        fitness = -math.inf if one.fitness is None else sign * one.fitness
        return one.id != record.winner, one.state not in FINALISTS, -fitness

    return sorted(record.candidates, key=place)


def notable(record: ShowRecord, most: int, many: int) -> Sequence[CandidateRecord]:
    """Return all candidates as they came, or the best of many, best first.

    Args:
        record: the run.
        most: how many of many.
        many: up to so many are all shown.
    """
    return record.candidates if len(record.candidates) <= many else best_first(record)[:most]


def left_out(record: ShowRecord, shown: Sequence[CandidateRecord]) -> str:
    """Say how many candidates are not among those shown, and what became of them."""
    names = {one.id for one in shown}
    fates = Counter(one.state for one in record.candidates if one.id not in names)
    told = listed([f"{n:,} {state}" for state, n in fates.most_common()])
    return f"{fates.total():,} more: {told}"
