"""Second opinions about candidates: one call of a language model for each, before any training."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from rewardgen.design.correspond import WritingDesigner
from rewardgen.design.critic import critic_letter, opinion_findings
from rewardgen.design.designer import DesignContext, Designer
from rewardgen.design.letters import Answer, Correspondent, Letter
from rewardgen.design.replay import ReplayDesigner
from rewardgen.design.transcript import Transcript
from rewardgen.llm.errors import ContextLengthError
from rewardgen.llm.messages import Reply
from rewardgen.rewards.findings import recorded, restored
from rewardgen.run.journal import CandidateEntry
from rewardgen.run.replies import ModelCorrespondent
from rewardgen.store import payloads as p


@dataclass(frozen=True)
class Opinions:
    """Asks for an opinion about each candidate that passed the other checks.

    Attributes:
        correspondent: who carries the letters to the critic.
    """

    correspondent: Correspondent

    def about(
        self,
        context: DesignContext,
        entries: Sequence[CandidateEntry],
        checked: Sequence[p.CandidateChecked],
    ) -> list[p.CandidateChecked]:
        """Return the verdicts with what the critic adds to them.

        Args:
            context: what the designer was told.
            entries: the candidates.
            checked: the verdicts on them so far, in the same order.

        Raises:
            EndpointError: nobody answers.
        """
        pairs = list(zip(entries, checked, strict=True))
        open_ones = [(e, c) for e, c in pairs if c.verdict == "accepted"]
        letters = [
            critic_letter(
                context, e.slot, e.attempt, e.source, [restored(f) for f in c.findings], e.wrapper
            )
            for e, c in open_ones
        ]
        answers = dict(zip([e.candidate for e, _ in open_ones], self._ask(letters), strict=True))
        return [
            _with_opinion(e, c, answers[e.candidate]) if e.candidate in answers else c
            for e, c in pairs
        ]

    def _ask(self, letters: list[Letter]) -> list[Answer | None]:
        """Ask; a task too large for the model's context is not reviewed."""
        if not letters:
            return []
        try:
            return self.correspondent.ask(letters)
        except ContextLengthError:
            return [None] * len(letters)


def _with_opinion(
    entry: CandidateEntry, checked: p.CandidateChecked, answer: Answer | None
) -> p.CandidateChecked:
    said = opinion_findings(answer, entry.source)
    against = any(finding.severity == "error" for finding in said)
    return checked.model_copy(
        update={
            "verdict": "refused" if against else checked.verdict,
            "findings": (*checked.findings, *(recorded(finding) for finding in said)),
        }
    )


@dataclass(frozen=True)
class RecordedAnswers:
    """Answers letters as they were answered in another run, with no network.

    Attributes:
        transcript: of that run.
    """

    transcript: Transcript

    def ask(self, letters: Sequence[Letter]) -> list[Answer | None]:
        """Return the recorded answers; None where none was recorded."""
        known = {exchange.label: exchange.reply for exchange in self.transcript.exchanges}
        return [_answer(known[x.label]) if x.label in known else None for x in letters]


def _answer(reply: object) -> Answer:
    read = Reply.model_validate_json(json.dumps(reply))
    return Answer(read.text, read.finish)


def opinions_of(designer: Designer) -> Opinions | None:
    """Return who is asked beside a designer: its model, or the record that it repeats."""
    match designer:
        case WritingDesigner(correspondent=ModelCorrespondent() as correspondent):
            return Opinions(correspondent)
        case ReplayDesigner(transcript=transcript):
            return Opinions(RecordedAnswers(transcript))
        case _:
            return None
