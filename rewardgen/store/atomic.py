"""Files that are whole or absent: temporary beside the target, fsync, rename, fsync the folder."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from rewardgen.store.errors import StoreError, StoreFullError

TEMPORARY_PREFIX = ".tmp-"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def clear_errors(path: Path, doing: str = "write") -> Generator[None, None, None]:
    """Turn errors of the operating system into ones that say what to do.

    Args:
        path: the file or directory at work.
        doing: what cannot be done if one arises, a verb.

    Raises:
        StoreFullError: no space, quota or file size left.
        StoreError: anything else, such as a directory without write permission.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StoreFullError(
                f"cannot {doing} {path}: {error.strerror}. What was stored before is intact: "
                "free some space"
            ) from error
        raise StoreError(f"cannot {doing} {path}: {error.strerror or error}") from error


def sync_directory(path: Path) -> None:
    """Make renames within a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def temporary_file(directory: Path) -> Generator[tuple[BinaryIO, Path], None, None]:
    """Open a new file in ``directory``; it is removed unless the caller renames it away."""
    path = directory / f"{TEMPORARY_PREFIX}{os.getpid()}-{secrets.token_hex(8)}"
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o644)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            yield stream, path
    finally:
        path.unlink(missing_ok=True)


def commit_file(stream: BinaryIO, temporary: Path, target: Path) -> None:
    """Give a written temporary file its name; the name is durable after ``sync_directory``."""
    stream.flush()
    os.fsync(stream.fileno())
    os.replace(temporary, target)


def write_file(path: Path, data: bytes) -> None:
    """Write a file whole or not at all; an older file of that name stays until then.

    Raises:
        StoreFullError: the disk is full.
        StoreError: it cannot be written for another reason.
    """
    with clear_errors(path), temporary_file(path.parent) as (stream, temporary):
        stream.write(data)
        commit_file(stream, temporary, path)
        sync_directory(path.parent)


def remove_temporaries(directory: Path) -> None:
    """Remove what a killed writer left behind; only whoever holds the run's lock may call it."""
    with os.scandir(directory) as entries:
        left = [entry.path for entry in entries if entry.name.startswith(TEMPORARY_PREFIX)]
    for path in left:
        Path(path).unlink(missing_ok=True)


def require_free_space(path: Path, reserve_bytes: int) -> None:
    """Refuse to start a stage that would end in a full disk.

    Raises:
        StoreFullError: fewer than ``reserve_bytes`` are free where ``path`` lies.
    """
    free = shutil.disk_usage(path).free
    if free < reserve_bytes:
        raise StoreFullError(
            f"{free / 2**20:.0f} MiB are free at {path}, {reserve_bytes / 2**20:.0f} MiB are "
            "needed to go on. Free some space"
        )
