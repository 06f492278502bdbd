"""What commands print: results to stdout, everything else to stderr."""

from __future__ import annotations

import json as json_format
import sys
from collections.abc import Callable
from typing import Any, TypeVar

from rewardgen.store.records import ShowRecord, TrialRecord


def say(text: str) -> None:
    """Print a result to stdout."""
    print(text, flush=True)


def complain(text: str) -> None:
    """Print an error to stderr."""
    print(f"rewardgen: {text}", file=sys.stderr, flush=True)


def say_json(value: dict[str, Any]) -> None:
    """Print one JSON object as one line, the last of stdout.

    Raises:
        ValueError: a number is not finite; such a value must be null.
    """
    say(json_format.dumps(value, allow_nan=False))


def finish(work: Callable[[], ShowRecord], *, json: bool) -> int:
    """Work on a run, print how it ended, and return the exit status.

    Args:
        work: does it and returns the run.
        json: print the run as JSON instead of its last lines.
    """
    from rewardgen.report.console import last_lines

    return _finish(work, last_lines, json=json)


def finish_training(work: Callable[[], TrialRecord], *, json: bool) -> int:
    """Work on a training, print its arms, and return the exit status."""
    from rewardgen.report.console import trial_lines

    return _finish(work, trial_lines, json=json)


_Record = TypeVar("_Record", ShowRecord, TrialRecord)


def _finish(
    work: Callable[[], _Record], lines: Callable[[_Record], list[str]], *, json: bool
) -> int:
    from rewardgen.run.session import InterruptedRunError, RunFailedError

    try:
        record = work()
    except InterruptedRunError as stop:
        complain(f"{stop}; go on with: rewardgen resume {stop.run}")
        return 130
    except RunFailedError as failure:
        complain(f"{failure}; once that is mended: rewardgen resume {failure.run}")
        return 1
    if json:
        say_json(record.model_dump(mode="json"))
    else:
        say("\n".join(lines(record)))
    return 0
