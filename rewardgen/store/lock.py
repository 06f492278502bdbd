"""One writer per run: an advisory lock that the kernel frees when its holder dies, however."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import platform
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rewardgen.store.atomic import clear_errors
from rewardgen.store.errors import StoreError, StoreLockedError

LOCK_NAME = "run.lock"
_BUSY = (errno.EWOULDBLOCK, errno.EACCES)
# a reader that asks whether a run is being written holds the lock for microseconds
_READER_GRACE_S = 0.05


@dataclass(frozen=True)
class RunLock:
    """The held lock of a run directory; ``release`` or the end of the process frees it.

    The descriptor is not inherited by programs that are started, but a plain ``fork`` shares
    it: workers must be started as new programs, or the lock outlives its holder.
    """

    descriptor: int

    @classmethod
    def acquire(cls, directory: Path) -> RunLock:
        """Take the lock of a run directory or refuse at once.

        Raises:
            StoreLockedError: another process (or this one, twice) writes the run.
            StoreError: the file system has no locks, or the directory cannot be written.
        """
        path = directory / LOCK_NAME
        with clear_errors(path):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            if not (_try_lock(descriptor, path) or _try_again(descriptor, path)):
                raise StoreLockedError(
                    f"run '{directory.name}' is being written by {_holder(descriptor)}; "
                    "wait until it ends or stop it, then try again"
                )
            with clear_errors(path):
                _describe_self(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        return cls(descriptor)

    def release(self) -> None:
        """Free the lock."""
        os.close(self.descriptor)


def is_locked(directory: Path) -> bool:
    """Return whether a living process writes the run."""
    try:
        descriptor = os.open(directory / LOCK_NAME, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not _try_lock(descriptor, directory / LOCK_NAME, fcntl.LOCK_SH)
    except StoreError:
        return False
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int, path: Path, kind: int = fcntl.LOCK_EX) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _BUSY:
            return False
        raise StoreError(
            f"the file system of {path} has no file locks ({error.strerror}), and two writers "
            "would destroy a run; put runs on a local disk with --runs-dir"
        ) from error
    return True


def _try_again(descriptor: int, path: Path) -> bool:
    time.sleep(_READER_GRACE_S)
    return _try_lock(descriptor, path)


def _describe_self(descriptor: int) -> None:
    """Write who holds the lock, for the message of whoever is refused; nothing decides on it."""
    started = datetime.now().astimezone().isoformat(timespec="seconds")
    about = {"pid": os.getpid(), "host": platform.node(), "started": started}
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(about).encode(), 0)


def _holder(descriptor: int) -> str:
    try:
        about = json.loads(os.pread(descriptor, 4096, 0))
        return f"process {about['pid']} on {about['host']} since {about['started']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
