"""A process that writes to a run; tests kill it, starve it of disk, and race it.

Usage: writer.py RUN COUNT [--die-at-commit N] [--file-limit BYTES]
It appends COUNT notes, each with an artifact, and prints the number of each acknowledged one.
"""

from __future__ import annotations

import argparse
import os
import resource
import signal
import sqlite3
import sys
from pathlib import Path

from rewardgen.store import events
from rewardgen.store import payloads as p
from rewardgen.store.errors import StoreError
from rewardgen.store.run_directory import RunDirectory


class _Mortal(sqlite3.Connection):
    """Counts commits and kills its own process at the n-th, before or after it."""

    die_at = 0
    after = False
    commits = 0

    def execute(self, sql: str, *args: object) -> sqlite3.Cursor:
        ends = sql == "COMMIT"
        if ends:
            type(self).commits += 1
        dies = ends and self.commits == self.die_at
        if dies and not self.after:
            os.kill(os.getpid(), signal.SIGKILL)
        cursor = super().execute(sql, *args)  # type: ignore[arg-type]
        if dies:
            os.kill(os.getpid(), signal.SIGKILL)
        return cursor


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("count", type=int)
    parser.add_argument("--die-at-commit", type=int, default=0)
    parser.add_argument("--after", action="store_true")
    parser.add_argument("--file-limit", type=int, default=0)
    parser.add_argument("--size", type=int, default=64)
    arguments = parser.parse_args()
    if arguments.die_at_commit:
        _Mortal.die_at, _Mortal.after = arguments.die_at_commit, arguments.after
        plain = sqlite3.connect
        events.sqlite3.connect = lambda *a, **k: plain(*a, factory=_Mortal, **k)
    try:
        with RunDirectory.resume(arguments.run) as run:
            if arguments.file_limit:
                resource.setrlimit(resource.RLIMIT_FSIZE, (arguments.file_limit,) * 2)
            start = len(run.state.notes)
            for number in range(start, start + arguments.count):
                text = f"{number}".rjust(arguments.size)
                sha = run.artifacts.put_text(text, name=f"{number}.txt")
                run.append(p.Note(message=f"{number} {sha}"))
                sys.stdout.write(f"{number}\n")
                sys.stdout.flush()
    except StoreError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
