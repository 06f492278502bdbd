"""How the code changed: along the winner's lineage, and from one iteration's best to the next's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from rewardgen.report import code
from rewardgen.report.candidates import finalists
from rewardgen.report.outcome import ancestors, ranking
from rewardgen.report.text import wrapping
from rewardgen.store.records import CandidateRecord, ShowRecord


@dataclass(frozen=True)
class Change:
    """What was changed between two rewards.

    Attributes:
        before: the id of the one.
        after: the id of the other.
        text: a unified diff, empty if nothing was changed.
        html: the same, highlighted.
    """

    before: str
    after: str
    text: str
    html: Markup

    @property
    def size(self) -> str:
        """How many lines came and went."""
        lines = self.text.splitlines()
        added, removed = (sum(line.startswith(mark) for line in lines) for mark in "+-")
        return f"+{added} -{removed} lines" if self.text else "no line changed"


@dataclass(frozen=True)
class Ancestor:
    """One step of the winner's lineage, with what changed since its first parent, if it has one."""

    record: CandidateRecord
    change: Change | None


@dataclass(frozen=True)
class Generation:
    """The best candidate of one iteration.

    Attributes:
        iteration: its number, from 1.
        record: the candidate.
        before: the best of the iteration before, None of the first.
        change: what changed since then; None in the first, and if the lineage shows the same.
        leader: who led the search after it: the best of the iteration, or one before it.
        leader_fitness: fitness of the leader, on the episodes of this iteration.
    """

    iteration: int
    record: CandidateRecord
    before: CandidateRecord | None
    change: Change | None
    leader: str | None
    leader_fitness: float | None


def lineage(record: ShowRecord, winner: CandidateRecord) -> list[Ancestor]:
    """Return the winner and all it was made from, nearest first."""
    steps: list[Ancestor] = []
    family = ancestors(record, winner.id)
    by_id = {one.id: one for one in family}
    for step in family:
        parent = by_id.get(step.parents[0]) if step.parents else None
        steps.append(Ancestor(step, None if parent is None else _change(parent, step)))
    return steps


def generations(record: ShowRecord, shown: list[Ancestor]) -> list[Generation]:
    """Return the best candidate of every iteration, by its fitness in the search.

    Args:
        record: the run.
        shown: the lineage; what changed in a step of it is not told again.
    """
    told = {(step.change.before, step.change.after) for step in shown if step.change is not None}
    steps: list[Generation] = []
    passed = {one.id: one for one in finalists(record)}
    for iteration in record.iterations:
        best = _best(record, [passed[name] for name in iteration.candidates if name in passed])
        if best is None:
            continue
        before = steps[-1].record if steps else None
        again = before is None or (before.id, best.id) in told
        change = None if before is None or again else _change(before, best)
        number, leader = iteration.iteration + 1, iteration.best
        steps.append(Generation(number, best, before, change, leader, iteration.fitness))
    return steps


def _best(record: ShowRecord, passed: Sequence[CandidateRecord]) -> CandidateRecord | None:
    sign = 1.0 if ranking(record).direction == "higher" else -1.0
    scored = [(sign * one.fitness, one) for one in passed if one.fitness is not None]
    return max(scored, key=lambda pair: pair[0])[1] if scored else None


def _change(before: CandidateRecord, after: CandidateRecord) -> Change:
    texts = _whole(before), _whole(after)
    return Change(before.id, after.id, code.unified_diff(*texts), code.diff_html(*texts))


def _whole(record: CandidateRecord) -> str:
    """Return a reward's code, below what is put around it."""
    if record.wrapper is None:
        return record.source
    return f"# wrapper: {wrapping(record.wrapper)}\n{record.source}"
