"""What commands print: results to stdout, everything else to stderr."""

from __future__ import annotations

import json as json_format
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel

from rewardgen.report.text import printable
from rewardgen.store.records import ShowRecord, TrialRecord

if TYPE_CHECKING:
    from rewardgen.run.budget import Estimate

_Record = TypeVar("_Record", bound=BaseModel)

_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")


class UnwritableError(RuntimeError):
    """What a command has to say cannot be written to stdout."""


def say(text: str) -> None:
    """Print a result to stdout.

    Raises:
        BrokenPipeError: nobody reads it.
        UnwritableError: it cannot be written.
    """
    try:
        print(text, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UnwritableError(f"cannot write the output: {error.strerror}") from error


def complain(text: str) -> None:
    """Print an error to stderr."""
    print(printable(f"rewardgen: {text}"), file=sys.stderr, flush=True)


def say_record(record: BaseModel) -> None:
    """Print a record as one JSON object in one line, the last of stdout, in ASCII."""
    text = record.model_dump_json(by_alias=True)
    if not text.isascii():  # outside of strings JSON has no other characters
        text = _NOT_ASCII.sub(lambda found: json_format.dumps(found[0])[1:-1], text)
    say(text)


def say_json(value: dict[str, Any]) -> None:
    """Print one JSON object as one line, the last of stdout.

    Raises:
        ValueError: a number is not finite; such a value must be null.
    """
    say(json_format.dumps(value, allow_nan=False))


def say_estimate(estimate: Estimate, *, json: bool) -> int:
    """Print what a run would take, and return the exit status."""
    if json:
        say_record(estimate)
    else:
        say(str(estimate))
    return 0


def work_or_status(work: Callable[[], _Record]) -> _Record | int:
    """Work on a run; return what it gave, or say how to go on and return the exit status."""
    from rewardgen.report.console import to_type
    from rewardgen.run.session import InterruptedRunError, RunFailedError

    try:
        return work()
    except InterruptedRunError as stop:
        complain(f"{stop}; go on with: {to_type('resume', stop.path)}")
        return 130
    except RunFailedError as failure:
        go_on = f"; once that is mended: {to_type('resume', failure.path)}"
        complain(f"{failure}{go_on if failure.resumable else ''}")
        return 1


def finish(work: Callable[[], ShowRecord], *, json: bool, path: Path | None = None) -> int:
    """Work on a run, print how it ended, and return the exit status.

    It is 1 if an arm of a training has no member with a score.

    Args:
        work: does it and returns the run.
        json: print the result as JSON instead of its last lines.
        path: the run's directory; by default where its configuration puts it.
    """
    from rewardgen.report.console import last_lines, trial_lines
    from rewardgen.report.outcome import is_scored

    record = work_or_status(work)
    if isinstance(record, int):
        return record
    path = path or Path(str(record.config["runs_dir"])) / record.run
    if record.verb == "run":
        result, lines = record, last_lines(record, path)
    else:
        result = TrialRecord(run=record.run, arms=record.arms)
        lines = trial_lines(result, path)
    if json:
        say_record(result)
    else:
        say("\n".join(lines))
    unscored = record.verb != "run" and not all(is_scored(arm) for arm in record.arms)
    return int(unscored)
