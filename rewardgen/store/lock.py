"""One writer per run: an advisory lock that the kernel frees when its holder dies, however.

Its file says who holds it. People remove such files; so the directory itself is locked too,
where the file system can do that.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import platform
import stat
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rewardgen.store.atomic import clear_errors
from rewardgen.store.errors import StoreError, StoreLockedError

LOCK_NAME = "run.lock"
_FILE = os.O_RDONLY | os.O_CLOEXEC
_FOLDER = _FILE | os.O_DIRECTORY
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
    directory: int

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
            folder = os.open(directory, _FOLDER)
        try:
            for held in (descriptor, folder):
                if not (_try_lock(held, path) or _try_again(held, path)):
                    raise StoreLockedError(
                        f"run '{directory.name}' is being written by {_holder(descriptor)}; "
                        "wait until it ends or stop it, then try again"
                    )
            with clear_errors(path):
                _describe_self(descriptor)
        except BaseException:
            os.close(descriptor)
            os.close(folder)
            raise
        return cls(descriptor, folder)

    def moved_from(self, directory: Path) -> str | None:
        """Return where the locked directory lies now if that is elsewhere, "" if nobody knows."""
        try:
            if os.path.samestat(os.fstat(self.directory), directory.stat()):
                return None
        except OSError:
            pass
        try:
            now = os.readlink(f"/proc/self/fd/{self.directory}")
        except OSError:  # not Linux
            return ""
        return "" if now.endswith(" (deleted)") else now

    def release(self) -> None:
        """Free the lock."""
        os.close(self.descriptor)
        os.close(self.directory)


def is_locked(directory: Path) -> bool:
    """Return whether a living process writes the run."""
    return any(
        _is_held(path, flags)
        for path, flags in ((directory / LOCK_NAME, _FILE), (directory, _FOLDER))
    )


def _is_held(path: Path, flags: int) -> bool:
    try:
        descriptor = os.open(path, flags)
    except OSError:
        return False
    try:
        return not _try_lock(descriptor, path, fcntl.LOCK_SH)
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
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            return True  # over NFS only files can be locked
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
