"""Stopping a run on purpose, where nothing is lost."""

from __future__ import annotations

import time


class PausedError(Exception):
    """Stopped on purpose between rungs or iterations; the run can be resumed."""


def pause_if_late(deadline: float | None) -> None:
    """Stop before a rung that would start too late.

    Args:
        deadline: monotonic time after which no further rung starts, or None.

    Raises:
        PausedError: it is later than that.
    """
    if deadline is not None and time.monotonic() > deadline:
        raise PausedError("max_hours is over")
