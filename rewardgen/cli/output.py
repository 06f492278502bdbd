"""What commands print: results to stdout, everything else to stderr."""

from __future__ import annotations

import json as json_format
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType

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


def show(view: RenderableType) -> None:
    """Print a table or other view to stdout, as wide as the terminal."""
    Console().print(view)


def finish(work: Callable[[], ShowRecord], runs_dir: Path, *, json: bool) -> int:
    """Work on a run, print how it ended, and return the exit status.

    Args:
        work: does it and returns the run.
        runs_dir: where the run is kept.
        json: print the run as JSON instead of its last lines.
    """
    from rewardgen.run.session import InterruptedRunError, RunFailedError

    try:
        record = work()
    except InterruptedRunError as stop:
        complain(f"{stop}; go on with: {_resume(stop.path)}")
        return 130
    except RunFailedError as failure:
        complain(f"{failure}; once that is mended: {_resume(failure.path)}")
        return 1
    if record.verb != "run":
        _print_training(record, json=json)
    elif json:
        say_json(record.model_dump(mode="json"))
    else:
        from rewardgen.report.console import final_lines

        say("\n".join(final_lines(record, runs_dir / record.run / "report.html")))
    return 0


def _print_training(record: ShowRecord, *, json: bool) -> None:
    if json:
        say_json(TrialRecord(run=record.run, arms=record.arms).model_dump(mode="json"))
        return
    from rewardgen.report.console import arms_view

    show(arms_view(record.arms, record))


def _resume(path: Path) -> str:
    """Return the command that goes on with a run."""
    place = "" if path.parent == Path("runs") else f" --runs-dir {path.parent}"
    return f"rewardgen resume {path.name}{place}"
