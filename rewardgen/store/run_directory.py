"""The directory of a run: log, artifacts, lock. Nothing in it knows where it lies."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from rewardgen.store.artifacts import ARTIFACTS_NAME, ArtifactReader, ArtifactStore
from rewardgen.store.atomic import clear_errors, require_free_space, sync_directory
from rewardgen.store.collector import no_collection
from rewardgen.store.errors import (
    RunExistsError,
    RunNotFoundError,
    StoreCorruptError,
    StoreError,
    StoreMovedError,
)
from rewardgen.store.events import DATABASE_NAME, EventLog, read_events
from rewardgen.store.fold import Event, fold
from rewardgen.store.lock import RunLock, is_locked
from rewardgen.store.parts import Artifact
from rewardgen.store.payloads import ArtifactsStored, Payload
from rewardgen.store.state import RunState
from rewardgen_envs.errors import UsageError
from rewardgen_envs.names import nearest

DEFAULT_RUNS_DIR = Path("runs")


class RunDirectory:
    """A run, open for writing by this process alone. Use it as a context manager.

    Attributes:
        path: where it lies now.
        artifacts: immutable files of the run.
    """

    def __init__(self, path: Path, lock: RunLock, log: EventLog) -> None:
        self.path = path
        self._lock = lock
        self._log = log
        # None: what is in memory may differ from the log, which is then read again. Reading it
        # here finds damage before anything is written
        self._state: RunState | None = _state(log.events())
        self.artifacts = ArtifactStore(path / ARTIFACTS_NAME, self._registered)

    @classmethod
    def create(cls, path: Path) -> Self:
        """Begin a run in a new directory, or in one that holds no first event yet.

        Raises:
            RunExistsError: there is a run already.
            StoreLockedError: another process writes there.
            StoreCorruptError: there is a damaged run.
            StoreVersionError: there is a run of another format.
            StoreFullError: the disk is full.
            StoreError: the directory cannot be written.
        """
        with clear_errors(path):
            path.mkdir(parents=True, exist_ok=True)
            sync_directory(path.parent)
        run = cls._open(path)
        if run.state.started is not None:
            run.close()
            raise RunExistsError(_exists(run))
        return run

    @classmethod
    def resume(cls, path: Path) -> Self:
        """Take up a run.

        Raises:
            RunNotFoundError: no such directory, or no run was begun in it.
            StoreLockedError: another process writes it.
            StoreCorruptError: it is damaged.
            StoreVersionError: it has another format.
            StoreError: it cannot be read or written.
        """
        if not (path / DATABASE_NAME).is_file():
            raise _not_found(path)
        run = cls._open(path)
        if run.state.started is None:
            run.close()
            raise RunNotFoundError(f"no run was begun in {path}; start one with 'rewardgen run'")
        return run

    @classmethod
    def _open(cls, path: Path) -> Self:
        lock = RunLock.acquire(path)
        log = None
        try:
            _check_not_lost(path)
            log = EventLog.writer(path / DATABASE_NAME)
            run = cls(path, lock, log)
        except BaseException:
            if log is not None:
                log.close()
            lock.release()
            raise
        return run

    @property
    def name(self) -> str:
        """The run's name: that of its directory."""
        return self.path.resolve().name

    @property
    def state(self) -> RunState:
        """What the events so far say; it changes with the next event."""
        if self._state is None:
            self._state = _state(self._log.events())
        return self._state

    def append(self, *payloads: Payload) -> list[Event]:
        """Add events, all or none; when this returns they survive anything but a lost disk.

        New artifacts get an event in front of them.

        Raises:
            StoreFullError: the disk is full; the run is as before.
            StoreError: they cannot be written, or do not fit the events before them.
        """
        stored = self.artifacts.pending()
        news = [ArtifactsStored(artifacts=tuple(stored))] if stored else []
        state, self._state = self.state, None
        with self._log.transaction():
            events = [self._log.insert(payload) for payload in (*news, *payloads)]
            fold(state, events)
        self._state = state
        self.artifacts.settle(stored)
        return events[len(news) :]

    def _registered(self, artifact: str) -> Artifact | None:
        if self.state.started is None:
            raise StoreError("a run's first event comes before its first artifact")
        return self.state.artifacts.get(artifact)

    def require_in_place(self) -> None:
        """Refuse to go on where the directory no longer lies.

        Raises:
            StoreMovedError: it was moved, removed, or replaced by another one.
        """
        now = self._lock.moved_from(self.path)
        if now is not None:
            raise StoreMovedError(
                f"{self.path} was moved or removed while the run was written"
                + (f": it is {now} now. Nothing that was recorded is lost" if now else "")
                + ". Resume it where it lies: rewardgen resume NAME --runs-dir FOLDER"
            )

    def require_free_space(self, reserve_bytes: int) -> None:
        """Refuse to go on with less free space; see ``atomic.require_free_space``."""
        require_free_space(self.path, reserve_bytes)

    def close(self) -> None:
        """Close the run and free its lock."""
        self._log.close()
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(frozen=True)
class RunSnapshot:
    """A run as it was when it was read; another process may be writing it.

    Attributes:
        name: name of its directory.
        path: where it lies.
        state: what its events said.
        artifacts: its files.
        alive: whether a process was writing it.
    """

    name: str
    path: Path
    state: RunState
    artifacts: ArtifactReader
    alive: bool


def read_run(path: Path) -> RunSnapshot:
    """Read a run without touching it, even while it is written.

    Raises:
        RunNotFoundError: no such directory, or no run was begun in it.
        StoreCorruptError: it is damaged.
        StoreVersionError: it has another format.
        StoreError: it cannot be read.
    """
    # asked before reading: a process that ends meanwhile is then still "running", which the
    # next look corrects; the other order would call a finished run interrupted
    alive = is_locked(path)
    if not (path / DATABASE_NAME).is_file():
        raise _not_found(path)
    _check_not_lost(path)
    state = _state(read_events(path / DATABASE_NAME))
    if state.started is None:
        raise RunNotFoundError(f"no run was begun in {path}; start one with 'rewardgen run'")
    reader = ArtifactReader(path / ARTIFACTS_NAME, state.artifacts.get)
    return RunSnapshot(path.resolve().name, path, state, reader, alive)


def check_runs_dir(runs_dir: Path) -> None:
    """Refuse a folder of runs that is none; the default one need not exist yet.

    Raises:
        UsageError: it is a file, or another folder than the default and missing.
    """
    if runs_dir.exists() and not runs_dir.is_dir():
        raise UsageError(f"{runs_dir} is no folder of runs but a file; choose with --runs-dir")
    if not runs_dir.exists() and runs_dir != DEFAULT_RUNS_DIR:
        raise UsageError(f"there is no folder {runs_dir}; choose with --runs-dir")


def run_names(runs_dir: Path) -> list[str]:
    """Return the names of the directories that hold a log, sorted."""
    return sorted(path.parent.name for path in runs_dir.glob(f"*/{DATABASE_NAME}"))


def find_run(reference: str, runs_dir: Path) -> Path:
    """Return the directory of a run, given by name or by path.

    Raises:
        RunNotFoundError: there is none; the nearest name and all others are listed.
        UsageError: there is no such folder of runs.
    """
    named = runs_dir / reference
    if (named / DATABASE_NAME).is_file():
        return named
    given = Path(reference)
    if (given / DATABASE_NAME).is_file():
        return given
    check_runs_dir(runs_dir)
    names = run_names(runs_dir)
    if not names:
        raise RunNotFoundError(
            f"no run '{reference}': {runs_dir} holds none; choose with --runs-dir"
        )
    raise RunNotFoundError(f"no run '{reference}' in {runs_dir}{nearest(reference, names)}")


def new_run_path(runs_dir: Path, name: str | None, task: str) -> Path:
    """Return where a new run goes: under its name, or under the task's with the next number.

    Raises:
        UsageError: the name is no plain folder name.
    """
    if name is not None:
        if not name or name != Path(name).name or name.startswith((".", "-")) or "\0" in name:
            raise UsageError(
                f"run name '{name}' must be a plain folder name; choose the place with --runs-dir"
            )
        return runs_dir / name
    stem = "-".join(part for part in _plain(task).split("-") if part) or "run"
    number = 1
    while (runs_dir / f"{stem}-{number}").exists():
        number += 1
    return runs_dir / f"{stem}-{number}"


def _plain(task: str) -> str:
    """Return a task's name (or its file's and class's) with nothing but letters and digits."""
    _, _, last = task.rpartition("/") if ":" in task else ("", "", task)
    return "".join(c if c.isalnum() and c.isascii() else "-" for c in last.replace(".py", ""))


def _state(events: Iterable[Event]) -> RunState:
    with no_collection():
        return fold(RunState(), events)


def _exists(run: RunDirectory) -> str:
    place = "" if run.path.parent == DEFAULT_RUNS_DIR else f" --runs-dir {run.path.parent}"
    verb, doing = ("show", "look at") if run.state.status == "done" else ("resume", "continue")
    return (
        f"run '{run.name}' exists ({run.state.status}); {doing} it with "
        f"'rewardgen {verb} {run.name}{place}', or choose another name with --name"
    )


def _not_found(path: Path) -> RunNotFoundError:
    siblings: Sequence[str] = run_names(path.parent)
    hint = nearest(path.name, siblings) if siblings else ""
    return RunNotFoundError(f"no run at {path}{hint}")


def _check_not_lost(path: Path) -> None:
    """Refuse an empty log beside artifacts: the log was lost, and starting anew would hide it.

    Raises:
        StoreCorruptError: that is the case.
        StoreError: the directory cannot be read.
    """
    database = path / DATABASE_NAME
    try:
        empty = not database.is_file() or database.stat().st_size == 0
        if empty and any((path / ARTIFACTS_NAME).glob("*")):
            raise StoreCorruptError(
                f"{database} is empty or missing although {ARTIFACTS_NAME}/ is not: the log was "
                "lost. Restore it from a backup, or start a run under another name"
            )
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}") from error
