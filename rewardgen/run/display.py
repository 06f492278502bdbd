"""What people watch while a run works: a live table, or plain lines without a terminal.

Everything goes to stderr; stdout is for results.
"""

from __future__ import annotations

import sys
import time
from typing import Protocol, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from rewardgen.report.text import printable

_PLAIN_INTERVAL_S = 10.0


class Display(Protocol):
    """Where a run shows how it is doing; use as a context manager."""

    def __enter__(self) -> Self:
        """Start showing."""
        ...

    def __exit__(self, *_: object) -> None:
        """Stop showing."""
        ...

    def iteration(self, number: int, total: int) -> None:
        """Show that iteration ``number`` (from 0) begins."""
        ...

    def candidate(self, name: str, state: str, fitness: float | None = None) -> None:
        """Show where a candidate stands."""
        ...

    def progress(self, job: str, done: int, total: int) -> None:
        """Show environment steps of a job, per member."""
        ...

    def note(self, text: str) -> None:
        """Show a remark that stays."""
        ...


class PlainDisplay:
    """One line per event; progress every ten seconds."""

    def __init__(self) -> None:
        self._last_s = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def iteration(self, number: int, total: int) -> None:
        """Print that an iteration begins."""
        self.note(f"iteration {number + 1} of {total}")

    def candidate(self, name: str, state: str, fitness: float | None = None) -> None:
        """Print where a candidate stands."""
        self.note(f"  {name}: {state}" + ("" if fitness is None else f", fitness {fitness:.3g}"))

    def progress(self, job: str, done: int, total: int) -> None:
        """Print progress now and then."""
        now = time.monotonic()
        if done >= total or now - self._last_s >= _PLAIN_INTERVAL_S:
            self._last_s = now
            self.note(f"  {job}: {done:,} of {total:,} steps per member")

    def note(self, text: str) -> None:
        """Print a remark."""
        print(printable(text), file=sys.stderr, flush=True)  # noqa: T201


class LiveDisplay:
    """A table of the iteration's candidates and a progress bar, redrawn in place."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, refresh_per_second=4)
        self._title = ""
        self._rows: dict[str, tuple[str, float | None]] = {}
        self._job: tuple[str, int, int] | None = None

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._job = None
        self._redraw()
        self._live.stop()

    def iteration(self, number: int, total: int) -> None:
        """Start a new table."""
        self._title = f"Iteration {number + 1} of {total}"
        self._rows.clear()
        self._redraw()

    def candidate(self, name: str, state: str, fitness: float | None = None) -> None:
        """Update a candidate's row."""
        known = self._rows.get(name, ("", None))[1]
        self._rows[name] = (state, known if fitness is None else fitness)
        self._redraw()

    def progress(self, job: str, done: int, total: int) -> None:
        """Move the bar."""
        self._job = (job, done, total)
        self._redraw()

    def note(self, text: str) -> None:
        """Print a remark above the table."""
        self._console.print(Text(printable(text)))

    def _redraw(self) -> None:
        parts: list[Table | Text | ProgressBar] = []
        if self._rows:
            table = Table("candidate", "state", "fitness", title=self._title, expand=False)
            for name, (state, fitness) in self._rows.items():
                table.add_row(name, state, "" if fitness is None else f"{fitness:.3g}")
            parts.append(table)
        if self._job is not None:
            job, done, total = self._job
            parts.append(Text(f"{job}: {done:,} of {total:,} environment steps per member"))
            parts.append(ProgressBar(total=total, completed=min(done, total), width=60))
        self._live.update(Group(*parts))


def make_display() -> Display:
    """Return the live display on a terminal, else the plain one."""
    console = Console(stderr=True)
    return LiveDisplay(console) if console.is_terminal else PlainDisplay()
