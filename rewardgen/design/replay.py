"""The designer ``replay``: proposes what another run's designer proposed, with no network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rewardgen.design.designer import DesignContext, ExhaustedError, Proposal, Refused
from rewardgen.design.transcript import Attempt, RecordedCandidate, Transcript
from rewardgen.rewards.findings import restored


@dataclass(frozen=True)
class ReplayDesigner:
    """Repeats a transcript.

    Attributes:
        transcript: of the run to repeat.
        name: how the run's configuration calls it.
    """

    transcript: Transcript
    name: str = "replay"

    def propose(self, context: DesignContext) -> list[Proposal]:
        """Return the first versions of the iteration's candidates.

        Raises:
            ExhaustedError: the transcript has no such iteration.
        """
        found = self._candidates(context.iteration)
        if not found:
            raise ExhaustedError(
                f"the transcript of '{self.transcript.run}' ends after "
                f"{context.iteration} iterations"
            )
        return [_proposal(candidate.attempts[0]) for candidate in found]

    def repair(self, context: DesignContext, refused: Sequence[Refused]) -> list[Proposal | None]:
        """Return the second version of each that has one."""
        # places are given anew, in the order of the proposals
        repaired = {
            place: candidate.attempts[1]
            for place, candidate in enumerate(self._candidates(context.iteration))
            if len(candidate.attempts) > 1
        }
        return [_proposal(repaired[bad.slot]) if bad.slot in repaired else None for bad in refused]

    def _candidates(self, iteration: int) -> list[RecordedCandidate]:
        return [c for c in self.transcript.candidates if c.iteration == iteration]


def _proposal(attempt: Attempt) -> Proposal:
    fault = attempt.fault
    return Proposal(
        source=attempt.source,
        parents=attempt.parents,
        origin=attempt.origin,
        note=attempt.note,
        fault=None if fault is None else restored(fault),
        wrapper=attempt.wrapper,
    )
