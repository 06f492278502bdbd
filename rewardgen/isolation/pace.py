"""How long reward code may take, in a host of its own or beside its trainer."""

from __future__ import annotations

from dataclasses import dataclass

_LONGEST_S = 60.0
REMEDY = "use whole-batch torch operations and no loops over transitions"


@dataclass(frozen=True)
class Deadlines:
    """How long a worker may take, in seconds.

    Attributes:
        first_s: for loading the code, and for the first call.
        least_s: for any later call, at least.
        factor: later calls may take so many times the slowest call so far, if that is more.
        row_s: all calls together may make their owner wait for ``first_s``, and so long for each
            transition.
    """

    first_s: float = 10.0
    least_s: float = 1.0
    factor: float = 50.0
    row_s: float = 2e-4


class Pace:
    """How long the calls of one reward took so far.

    Args:
        deadlines: how long they may take.
    """

    def __init__(self, deadlines: Deadlines) -> None:
        self._deadlines = deadlines
        self._slowest_s: float | None = None
        self._waited_s, self._rows = 0.0, 0

    @property
    def allowed_s(self) -> float:
        """How long the next call may take."""
        allowed = self._deadlines.first_s
        if self._slowest_s is not None:
            allowed = max(self._deadlines.least_s, self._deadlines.factor * self._slowest_s)
        return min(allowed, _LONGEST_S)

    def count(self, took_s: float, waited_s: float, rows: int) -> str | None:
        """Count a call; return why all of them together were too slow, or None.

        Args:
            took_s: from the question to the answer.
            waited_s: the part of it in which nothing else was done.
            rows: transitions scored.
        """
        self._slowest_s = max(self._slowest_s or 0.0, took_s)
        self._waited_s += waited_s
        self._rows += rows
        if self._waited_s <= self._deadlines.first_s + self._deadlines.row_s * self._rows:
            return None
        return (
            f"too slow: {self._waited_s:.3g} s for {self._rows:,} transitions, where "
            f"{1e3 * self._deadlines.row_s:.3g} ms for each are allowed"
        )


def no_answer(allowed_s: float) -> str:
    """Return the message about a call that took longer than it may."""
    return f"no answer within {allowed_s:.3g} s: an endless loop, or far too slow"
