"""Deadlines of reward hosts: reported when they fire, replayed when a rung is repeated.

A repeated rung must give what the first attempt gave, so a reward that was too late once is too
late at the same call again, however fast it is then.
"""

from __future__ import annotations

from collections.abc import Callable

from rewardgen.isolation.host import RewardHost
from rewardgen.isolation.session import HostFailure
from rewardgen.rungs.jobs import LateAnswer
from rewardgen_policies.seam import RewardFailure, Rollout, Scores, SourceSpec


class TimedHost:
    """A reward host whose deadlines are known to the run.

    Args:
        host: the host.
        late: the call that was too late in an earlier attempt, or None.
        report: told the number of a call that is too late, and the message.
    """

    def __init__(
        self, host: RewardHost, late: LateAnswer | None, report: Callable[[int, str], None]
    ) -> None:
        self._host = host
        self._late = late
        self._report = report
        self._calls = 0

    @property
    def spec(self) -> SourceSpec:
        """What this source is."""
        return self._host.spec

    def prefetch(self, rollout: Rollout) -> None:
        """Send the rollout that ``score`` will be called with next, and return at once."""
        if not self._was_late():
            self._host.prefetch(rollout)

    def score(self, rollout: Rollout) -> Scores:
        """Score the transitions of the members given.

        Raises:
            RewardFailure: the reward failed for good, now or in an earlier attempt.
        """
        if self._late is not None and self._was_late():
            self._host.close()
            raise RewardFailure(self._late.message)
        call, self._calls = self._calls, self._calls + 1
        try:
            return self._host.score(rollout)
        except HostFailure as failure:
            if failure.finding.rule in ("deadline", "throughput"):
                self._report(call, str(failure))
            raise

    def _was_late(self) -> bool:
        return self._late is not None and self._late.call <= self._calls
