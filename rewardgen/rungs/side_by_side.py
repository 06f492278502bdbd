"""Shares of a job at work at the same time, and one thread that hears of them all."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import SimpleQueue

from rewardgen.rungs.jobs import LateAnswer, TrainResult
from rewardgen.rungs.shares import Share

Progress = Callable[[int, int], None]
"""Called with environment steps done and to do, per member."""

Late = Callable[[LateAnswer], None]
"""Called at once when a reward misses a deadline."""

Work = Callable[[int, Share, Progress, Late], TrainResult]
"""Trains a share, given its number; tells of progress and of late answers, in any thread."""


@dataclass(frozen=True)
class _Event:
    """What a share's thread has to tell: one of these."""

    slot: int
    progress: tuple[int, int] | None = None
    late: LateAnswer | None = None
    result: TrainResult | None = None
    error: Exception | None = None


def side_by_side(
    shares: Sequence[Share], work: Work, progress: Progress, late: Late
) -> list[TrainResult]:
    """Train all shares, each in a thread; return their results, in order.

    What they tell is passed on in this thread, which may write and print.

    Args:
        shares: the parts of a job.
        work: trains one of them.
        progress: told how far the slowest one is.
        late: told of a late answer as one in the whole job.
    """
    events: SimpleQueue[_Event] = SimpleQueue()

    def train(slot: int, share: Share) -> None:
        try:
            result = work(
                slot,
                share,
                lambda done, total: events.put(_Event(slot, progress=(done, total))),
                lambda answer: events.put(_Event(slot, late=share.late(answer))),
            )
            events.put(_Event(slot, result=result))
        except Exception as error:  # told where the others are waited for
            events.put(_Event(slot, error=error))

    for slot, share in enumerate(shares):
        # not waited for: whoever interrupts this ends what the threads wait for
        threading.Thread(target=train, args=(slot, share), daemon=True).start()
    return _results(len(shares), events, progress, late)


def _results(
    count: int, events: SimpleQueue[_Event], progress: Progress, late: Late
) -> list[TrainResult]:
    """Wait for all shares; return their results."""
    done = [0] * count
    results: dict[int, TrainResult] = {}
    while len(results) < count:
        event = events.get()
        if event.error is not None:
            raise event.error
        if event.late is not None:
            late(event.late)
        if event.progress is not None:
            before, (done[event.slot], total) = min(done), event.progress
            if min(done) > before:
                progress(min(done), total)
        if event.result is not None:
            results[event.slot] = event.result
    return [results[slot] for slot in range(count)]
