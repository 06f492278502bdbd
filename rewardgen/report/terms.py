"""What the terms of a reward did along training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rewardgen.analysis.feedback import Term
from rewardgen.analysis.summary import summarize_terms
from rewardgen.report import plots
from rewardgen.report.candidates import best_first, finalists
from rewardgen.report.curves import CurveReader
from rewardgen.report.outcome import WINNER, arm, candidate, ranking
from rewardgen.store.records import CandidateRecord, MemberRecord, ShowRecord

# candidates; each is a figure in the page, which takes a while and makes it larger
MOST_TOLD = 40


@dataclass(frozen=True)
class TermStory:
    """The terms of one reward along training.

    Attributes:
        who: ``winner``, a candidate's id, or an arm's name.
        runs: how many policies were trained on it.
        confirmed: whether that was on fresh seeds, after the search.
        figure: name of the figure.
        svg: the figure.
        terms: what is known of each.
    """

    who: str
    runs: int
    confirmed: bool
    figure: str
    svg: bytes
    terms: tuple[Term, ...]


def winner_story(record: ShowRecord, reader: CurveReader) -> TermStory | None:
    """Return the terms of the winner's confirmed policies, before there are any those it won by."""
    confirmed = arm(record, WINNER)
    if record.verb == "run" and confirmed is not None:
        story = _story(record, reader, WINNER, confirmed.members, "terms-winner")
        if story is not None:
            return story
    chosen = candidate(record, record.winner)
    return None if chosen is None else _candidate(record, reader, chosen)


def other_stories(
    record: ShowRecord, reader: CurveReader, winner: TermStory | None
) -> list[TermStory]:
    """Return the terms of the candidates that passed all rungs; of a training, of every arm.

    Of more than ``MOST_TOLD`` candidates the best are told.

    Args:
        record: the run.
        reader: reads its curves.
        winner: what is told of the winner; it is not told again.
    """
    if record.verb == "run":
        best = {c.id for c in best_first(record)[:MOST_TOLD]}
        passed = [c for c in finalists(record) if c.id in best]
        stories = [_candidate(record, reader, c) for c in passed]
    else:  # an arm may be named by a path, the file of a figure may not
        stories = [
            _story(record, reader, a.arm, a.members, f"terms-arm-{place + 1}")
            for place, a in enumerate(record.arms)
        ]
    told = None if winner is None else winner.figure
    return [story for story in stories if story is not None and story.figure != told]


def _candidate(record: ShowRecord, reader: CurveReader, one: CandidateRecord) -> TermStory | None:
    return _story(record, reader, one.id, one.members, f"terms-{one.id}")


def _story(
    record: ShowRecord,
    reader: CurveReader,
    who: str,
    members: Sequence[MemberRecord],
    figure: str,
) -> TermStory | None:
    """Return what the terms of a reward did; None if nothing is known of any."""
    terms = summarize_terms([reader.member(member) for member in members])
    found = [reader.band(term.name, members, f"term/{term.name}") for term in terms]
    bands = [band for band in found if band is not None]
    if not bands:
        return None
    metric = ranking(record)
    fitness = reader.band(metric.name, members, f"fitness/{metric.name}")
    return TermStory(
        who=who,
        runs=len(bands[0].runs),
        confirmed=who == WINNER,
        figure=figure,
        svg=plots.terms(bands, fitness, metric, who),
        terms=terms,
    )
