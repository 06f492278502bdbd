"""The log of a run: an append-only table in one SQLite file.

A rollback journal is used, not a write-ahead log: some runs lie on network file systems, where
the latter fails; SQLite before 3.51.3 can corrupt it; a copied directory stays one file; and a
run writes a few events per second. ``synchronous=EXTRA`` makes a commit survive a power cut in
this mode. Every row carries a digest of itself and its predecessor's digest, so that a flipped
bit or a missing row is found; SQLite itself has no checksums.
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Self

from pydantic import ValidationError

from rewardgen.store.errors import StoreCorruptError, StoreError, StoreFullError, StoreVersionError
from rewardgen.store.fold import Event
from rewardgen.store.payloads import EVENT_NAMES, PAYLOADS, Payload

DATABASE_NAME = "run.sqlite"
FORMAT_VERSION = 7
_APPLICATION_ID = 0x52474C47
_BUSY_TIMEOUT_S = 30.0
_NO_DIGEST = b""
_Row = tuple[Any, ...]

_SCHEMA = (
    """CREATE TABLE events(
        seq INTEGER PRIMARY KEY,
        type TEXT NOT NULL,
        payload TEXT NOT NULL,
        t_wall REAL NOT NULL,
        t_mono REAL NOT NULL,
        digest BLOB NOT NULL
    ) STRICT""",
    """CREATE TRIGGER events_stay BEFORE UPDATE ON events
        BEGIN SELECT RAISE(ABORT, 'events are never changed'); END""",
    """CREATE TRIGGER events_remain BEFORE DELETE ON events
        BEGIN SELECT RAISE(ABORT, 'events are never removed'); END""",
    f"PRAGMA application_id = {_APPLICATION_ID}",
    f"PRAGMA user_version = {FORMAT_VERSION}",
)


class EventLog:
    """The open log of one run. Open it through ``writer`` or ``read_events``."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection

    @classmethod
    def writer(cls, path: Path) -> Self:
        """Open a log for appending; make it if there is none.

        Raises:
            StoreCorruptError: the file is damaged or no log.
            StoreVersionError: another format.
            StoreFullError: no space for a new one.
            StoreError: it cannot be opened.
        """
        with _clear_errors(path):
            connection = _connect(path, "rwc")
        log = cls(path, connection)
        try:
            with _clear_errors(path):
                connection.execute("PRAGMA journal_mode = DELETE")
                connection.execute("PRAGMA synchronous = EXTRA")
                _check_integrity(path, connection)
                if _format_version(path, connection) is None:
                    with log.transaction():
                        for statement in _SCHEMA:
                            connection.execute(statement)
        except BaseException:
            connection.close()
            raise
        return log

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Generator[None, None, None]:
        """Make what happens inside durable at its end, or leave the log as it was.

        Raises:
            StoreFullError: the disk is full.
            StoreError: the log cannot be written.
        """
        connection = self._connection
        with _clear_errors(self._path):
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def insert(self, payload: Payload) -> Event:
        """Add an event; call it inside a transaction."""
        last = self._connection.execute(
            "SELECT seq, digest FROM events ORDER BY seq DESC LIMIT 1"
        ).fetchone()
        seq, digest = (0, _NO_DIGEST) if last is None else last
        event = Event(seq + 1, payload, time.time(), time.monotonic())
        text = payload.model_dump_json()
        row = (event.seq, event.type, text, event.t_wall, event.t_mono)
        self._connection.execute(
            "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)", (*row, _digest(digest, *row))
        )
        return event

    def events(self) -> Iterator[Event]:
        """Return all events, oldest first.

        Raises:
            StoreCorruptError: rows were changed, or are missing.
        """
        with _clear_errors(self._path):
            rows = _rows(self._connection)
        return _verified(self._path, rows)


def read_events(path: Path) -> Iterator[Event]:
    """Return the events of a log that another process may be writing, oldest first.

    Returns:
        All events committed by now; none for a log that was never begun.

    Raises:
        StoreCorruptError: the file is damaged or no log.
        StoreVersionError: another format.
        StoreError: it cannot be opened.
    """
    return _verified(path, _reading(path, _rows))


def read_ends(path: Path, closing_types: Sequence[type[Payload]]) -> list[Event]:
    """Read the first event and the last one of the given types: what a list of runs needs.

    Raises:
        StoreCorruptError: the file is damaged or no log.
        StoreVersionError: another format.
        StoreError: it cannot be opened.
    """
    names = [EVENT_NAMES[kind] for kind in closing_types]
    marks = ", ".join("?" for _ in names)
    query = (
        "SELECT seq, type, payload, t_wall, t_mono FROM events WHERE seq = 1 OR seq = "
        f"(SELECT max(seq) FROM events WHERE type IN ({marks})) ORDER BY seq"
    )
    rows = _reading(path, lambda connection: connection.execute(query, names).fetchall())
    return [_event(path, *row) for row in rows]


def _reading(path: Path, read: Callable[[sqlite3.Connection], list[_Row]]) -> list[_Row]:
    if not path.is_file() or path.stat().st_size == 0:
        return []
    with _clear_errors(path), closing(_connect_reader(path)) as connection:
        if _format_version(path, connection) is None:
            return []
        return read(connection)


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.resolve().as_uri()}?mode={mode}",
        uri=True,
        timeout=_BUSY_TIMEOUT_S,
        isolation_level=None,
    )


def _connect_reader(path: Path) -> sqlite3.Connection:
    """Connect for reading only.

    After a kill the file may have to be rolled back, for which SQLite wants a connection that
    could write; where nothing can be written, one that only reads must do.
    """
    connection = _connect(path, "rw")
    try:
        connection.execute("PRAGMA query_only = ON")
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.OperationalError:
        connection.close()
        return _connect(path, "ro")
    return connection


def _check_integrity(path: Path, connection: sqlite3.Connection) -> None:
    problem = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if problem != "ok":
        raise _corrupt(path, problem)


def _format_version(path: Path, connection: sqlite3.Connection) -> int | None:
    """Return the format of a log; None if there is none yet."""
    if connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0:
        return None
    if connection.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION_ID:
        raise StoreCorruptError(f"{path} is a database, but not the log of a run")
    found = connection.execute("PRAGMA user_version").fetchone()[0]
    if found != FORMAT_VERSION:
        age = "newer" if found > FORMAT_VERSION else "older"
        raise StoreVersionError(
            f"{path} has format {found}, written by {'an' if age == 'older' else 'a'} {age} "
            f"version; this one reads format {FORMAT_VERSION}. Open it with that version"
        )
    return found


def _rows(connection: sqlite3.Connection) -> list[_Row]:
    """Return all rows; who reads them one by one keeps writers waiting."""
    return connection.execute(
        "SELECT seq, type, payload, t_wall, t_mono, digest FROM events ORDER BY seq"
    ).fetchall()


def _verified(path: Path, rows: Iterable[_Row]) -> Iterator[Event]:
    digest = _NO_DIGEST
    for expected, (seq, kind, payload, t_wall, t_mono, stored) in enumerate(rows, start=1):
        digest = _digest(digest, seq, kind, payload, t_wall, t_mono)
        if seq != expected or digest != stored:
            raise _corrupt(path, f"event {expected} is missing or was changed")
        yield _event(path, seq, kind, payload, t_wall, t_mono)


def _event(path: Path, seq: int, kind: str, payload: str, t_wall: float, t_mono: float) -> Event:
    try:
        return Event(seq, PAYLOADS[kind].model_validate_json(payload), t_wall, t_mono)
    except (KeyError, ValidationError) as error:
        raise _corrupt(path, f"event {seq} ('{kind}') is unreadable: {error}") from error


def _digest(
    before: bytes, seq: int, kind: str, payload: str, t_wall: float, t_mono: float
) -> bytes:
    text = f"{seq}\n{kind}\n{t_wall!r}\n{t_mono!r}\n{payload}"
    return hashlib.blake2b(before + text.encode(), digest_size=16).digest()


def _corrupt(path: Path, problem: str) -> StoreCorruptError:
    return StoreCorruptError(
        f"{path} is damaged: {problem}. Nothing was changed; restore it from a backup, or start "
        "a run under another name"
    )


@contextmanager
def _clear_errors(path: Path) -> Generator[None, None, None]:
    """Turn SQLite's errors into ones that say what to do."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", -1) & 0xFF
        if code == sqlite3.SQLITE_FULL:
            raise StoreFullError(
                f"cannot write {path}: the disk is full. What was stored before is intact: free "
                "some space"
            ) from error
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise _corrupt(path, str(error)) from error
        if code == sqlite3.SQLITE_READONLY:
            raise StoreError(
                f"{path} cannot be written, and its last write was cut off and must be rolled "
                "back first: make it writable, or copy the run to where it is"
            ) from error
        raise StoreError(f"cannot use {path}: {error}") from error
