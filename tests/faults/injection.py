"""Faults at a chosen call: installed in a process that then works on a run.

A plan names a site (the n-th commit of the log, or the n-th system call of a kind on files below
a folder) and what happens there. Commits are met in Python; system calls, those of SQLite too, in
``faulty_calls.c``, which must be preloaded.
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import sqlite3
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

Site = Literal["none", "commit", "write", "sync", "rename", "unlink", "open"]
Act = Literal[
    "count", "fail", "kill before", "kill after", "tear", "SIGINT", "SIGTERM", "clock", "move"
]

_KINDS: dict[Site, int] = {"write": 1, "sync": 2, "rename": 4, "unlink": 8, "open": 16}
_ACTS: dict[Act, int] = {"count": 0, "fail": 1, "kill before": 2, "kill after": 3, "tear": 4}
_LASTING_COMMITS = 3


@dataclass(frozen=True)
class Plan:
    """What goes wrong in a process.

    Attributes:
        site: where; ``none`` is nowhere.
        at: number of the call, from 1.
        act: what happens there: it fails, its process is killed before or after it, or it is
            done by half and its process killed; or a signal comes before it; or the wall clock
            jumps, or the folder is moved, after it.
        error: name of the error of a call that fails.
        lasting: whether all later calls meet the same (of commits: the next two).
        jump_s: by how much the wall clock jumps.
        event: only commits count whose last event is of this type; empty for all.
        to: where the folder is moved.
    """

    site: Site = "none"
    at: int = 0
    act: Act = "count"
    error: str = "EIO"
    lasting: bool = False
    jump_s: float = 0.0
    event: str = ""
    to: str = ""


class Injection:
    """A plan at work in this process.

    Args:
        plan: what goes wrong.
        folder: only calls on files below it count.
        acknowledged: file that gets a line for every event once it is committed.
    """

    def __init__(self, plan: Plan, folder: Path, acknowledged: Path) -> None:
        self._plan = plan
        self._folder = folder
        self._commits = 0
        # unbuffered: what was written is there after a kill
        self._acknowledged = os.open(acknowledged, os.O_CREAT | os.O_APPEND | os.O_WRONLY)

    def install(self) -> None:
        """Let commits and system calls of this process go wrong as planned."""
        injection = self

        class Watched(sqlite3.Connection):
            def execute(self, sql: str, *given: object) -> sqlite3.Cursor:
                if sql != "COMMIT":
                    return super().execute(sql, *given)  # type: ignore[arg-type]
                due = injection.before_commit(self)
                cursor = super().execute(sql, *given)  # type: ignore[arg-type]
                injection.after_commit(self, due)
                return cursor

        sqlite3.connect = partial(sqlite3.connect, factory=Watched)  # type: ignore[assignment]
        if self._plan.site in _KINDS:
            _preloaded().fault_arm(
                _KINDS[self._plan.site],
                self._plan.at,
                _ACTS[self._plan.act],
                getattr(errno, self._plan.error),
                int(self._plan.lasting),
                os.fsencode(self._folder.resolve()),
            )

    def before_commit(self, connection: sqlite3.Connection) -> bool:
        """Do what is planned before a commit; return whether this is the one."""
        if self._plan.event not in ("", _last_event(connection)[2]):
            return False
        self._commits += 1
        lasts = _LASTING_COMMITS - 1 if self._plan.lasting else 0
        due = (
            self._plan.site == "commit" and self._plan.at <= self._commits <= self._plan.at + lasts
        )
        if due and self._plan.act == "kill before":
            os.kill(os.getpid(), signal.SIGKILL)
        if due and self._plan.act in ("SIGINT", "SIGTERM"):
            os.kill(os.getpid(), signal.Signals[self._plan.act])
        return due

    def after_commit(self, connection: sqlite3.Connection, due: bool) -> None:
        """Write down what is committed, then do what is planned."""
        seq, digest, _ = _last_event(connection)
        if seq:
            os.write(self._acknowledged, f"{seq} {digest}\n".encode())
        if due and self._plan.act == "kill after":
            os.kill(os.getpid(), signal.SIGKILL)
        if due and self._plan.act == "move":
            self._folder.rename(self._plan.to)
        if due and self._plan.act == "clock":
            _shift_clock(self._plan.jump_s)

    @property
    def count(self) -> int:
        """How many calls the site has seen."""
        return int(_preloaded().fault_count()) if self._plan.site in _KINDS else self._commits


def _last_event(connection: sqlite3.Connection) -> tuple[int, str, str]:
    """Return number, digest and type of the last event; zero where there is none yet."""
    query = "SELECT seq, hex(digest), type FROM events ORDER BY seq DESC LIMIT 1"
    return connection.execute(query).fetchone() or (0, "", "")


def _preloaded() -> ctypes.CDLL:
    library = ctypes.CDLL(None)
    library.fault_arm.argtypes = [
        ctypes.c_int,
        ctypes.c_long,
        ctypes.c_int,
        ctypes.c_int,
        ctypes.c_int,
        ctypes.c_char_p,
    ]
    library.fault_count.restype = ctypes.c_long
    return library


def _shift_clock(jump_s: float) -> None:
    """Let the wall clock jump, and the monotonic one go on."""
    seconds, nanoseconds = time.time, time.time_ns
    time.time = lambda: seconds() + jump_s
    time.time_ns = lambda: nanoseconds() + int(jump_s * 1e9)
