"""What a run came to, in a sentence: who won, by how much, and how sure that is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rewardgen.report.numbers import (
    interval,
    listed,
    number,
    percent,
    percent_interval,
    signed,
    unit,
)
from rewardgen.store.records import (
    ArmRecord,
    CandidateRecord,
    FitnessRecord,
    ImprovementRecord,
    ShowRecord,
)

Kind = Literal["better", "level", "worse", "unconfirmed", "nothing", "trained"]
HUMAN = "human"
WINNER = "winner"
SPARSE = "sparse"


@dataclass(frozen=True)
class Outcome:
    """The result of a run.

    Attributes:
        kind: ``better``, ``level`` or ``worse`` than the human-written reward; ``unconfirmed``
            while the confirmation has no statistics; ``nothing`` if no reward could be
            trained; ``trained`` for a run without a search.
        headline: a few words.
        sentence: one sentence with the numbers.
    """

    kind: Kind
    headline: str
    sentence: str


def outcome(record: ShowRecord) -> Outcome:
    """Return what a run came to."""
    winner, human = arm(record, WINNER), arm(record, HUMAN)
    if record.verb != "run":
        return _trained(record)
    if winner is None or winner.iqm is None:
        return _unconfirmed(record)
    improvement = against(winner, HUMAN)
    if human is None or human.iqm is None or improvement is None:
        return Outcome(
            "trained",
            f"Candidate {record.winner} is confirmed",
            f"{_scored(f'Candidate {record.winner}', winner, record)}; there is no human-written "
            "reward to compare it with.",
        )
    return _compared(record, winner, human, improvement)


def arm(record: ShowRecord, name: str) -> ArmRecord | None:
    """Return an arm by name, or None."""
    return next((a for a in record.arms if a.arm == name), None)


def candidate(record: ShowRecord, name: str | None) -> CandidateRecord | None:
    """Return a candidate by id, or None."""
    return next((c for c in record.candidates if c.id == name), None)


def runs(record: ArmRecord) -> str:
    """Return how many of an arm's runs were scored: ``10``, or ``9 of 10`` if one failed."""
    scored = sum(bool(m.fitness) for m in record.members)
    return str(scored) if scored == len(record.members) else f"{scored} of {len(record.members)}"


def is_scored(record: ArmRecord) -> bool:
    """Return whether any of an arm's runs was scored."""
    return any(m.fitness for m in record.members)


def failures(record: ArmRecord) -> list[str]:
    """Return why runs of an arm failed, each reason once, and how many runs it ended."""
    reasons = Counter(m.failure for m in record.members if m.failure is not None)
    return [
        f"{record.arm}: {n} of {len(record.members)} runs failed: {reason}"
        for reason, n in reasons.items()
    ]


def against(winner: ArmRecord, other: str) -> ImprovementRecord | None:
    """Return the comparison of an arm with another, or None."""
    return next((i for i in winner.improvements if i.over == other), None)


def reference(arms: Sequence[ArmRecord]) -> str | None:
    """Return the arm that the others are compared with: human if it is one, or None."""
    compared = [i.over for a in arms for i in a.improvements]
    return HUMAN if HUMAN in compared else next(iter(compared), None)


def ranking(record: ShowRecord) -> FitnessRecord:
    """Return the metric that ranks."""
    return record.fitness[0]


def standing(improvement: ImprovementRecord, metric: FitnessRecord) -> Kind:
    """Return whether the difference's interval lies above, around or below zero."""
    ends = improvement.difference_interval
    if ends is None:
        return "level"
    low, high = ends if metric.direction == "higher" else (-ends[1], -ends[0])
    if low > 0.0:
        return "better"
    return "worse" if high < 0.0 else "level"


def ancestors(record: ShowRecord, name: str) -> list[CandidateRecord]:
    """Return a candidate and all it was made from, nearest first, each once."""
    by_id = {c.id: c for c in record.candidates}
    found: dict[str, CandidateRecord] = {}
    waiting = [name]
    while waiting:
        current = by_id.get(waiting.pop(0))
        if current is not None and current.id not in found:
            found[current.id] = current
            waiting += current.parents
    return list(found.values())


def _compared(
    record: ShowRecord, winner: ArmRecord, human: ArmRecord, improvement: ImprovementRecord
) -> Outcome:
    kind = standing(improvement, ranking(record))
    headline = {
        "better": f"Candidate {record.winner} beat the human-written reward",
        "level": "Nothing beat the human-written reward beyond chance",
        "worse": "Nothing beat the human-written reward",
    }[kind]
    seeds = len(winner.members)
    sentence = (
        f"{_scored(f'Candidate {record.winner}', winner, record)} against "
        f"{number(human.iqm)} {interval(human.interval)} of the human-written reward: a "
        f"difference of {signed(improvement.difference)} "
        f"{interval(improvement.difference_interval, with_sign=True)}. A run of it is better than "
        f"one of the human-written reward with probability {percent(improvement.probability)} "
        f"{percent_interval(improvement.interval)} (interquartile means and 95 % intervals over "
        f"{seeds} fresh seeds each)."
    )
    return Outcome(kind, headline, sentence)


def _scored(who: str, scored: ArmRecord, record: ShowRecord) -> str:
    metric = ranking(record)
    return (
        f"{who} reached {metric.name} {number(scored.iqm)}{unit(metric.unit)} "
        f"{interval(scored.interval)}"
    )


def _unconfirmed(record: ShowRecord) -> Outcome:
    if record.winner is not None:
        best = candidate(record, record.winner)
    else:
        finished = [i for i in record.iterations if i.best is not None]
        best = candidate(record, finished[-1].best) if finished else None
    if best is not None:
        metric = ranking(record)
        return Outcome(
            "unconfirmed",
            f"Candidate {best.id} leads; not confirmed",
            f"Candidate {best.id} leads the search with {metric.name} {number(best.fitness)}"
            f"{unit(metric.unit)}. That number selected it and is therefore optimistic; it has "
            "not been confirmed on fresh seeds.",
        )
    fates = Counter(c.state for c in record.candidates)
    told = listed([f"{n} {state}" for state, n in fates.items()]) or "none proposed"
    if record.state == "done":
        return Outcome("nothing", "No reward won", f"No candidate could be trained: {told}.")
    return Outcome("unconfirmed", "No result yet", f"Candidates so far: {told}.")


def _trained(record: ShowRecord) -> Outcome:
    told = [
        f"{a.arm} {number(a.iqm)}{unit(ranking(record).unit)} {interval(a.interval)}"
        for a in record.arms
        if a.iqm is not None
    ]
    if not told and record.arms and record.state == "done":
        return Outcome("nothing", "No reward could be trained", "All runs failed.")
    if not told:
        return Outcome("unconfirmed", "No result yet", "No reward has been evaluated.")
    names = listed([a.arm for a in record.arms if a.iqm is not None])
    return Outcome("trained", f"Trained: {names}", f"{ranking(record).name}: {'; '.join(told)}.")
