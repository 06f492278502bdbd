"""Tries what a locked process must not be able to do. Each attempt is harmless if it succeeds."""

from __future__ import annotations

import mmap
import os
import socket
import sysconfig
import tempfile
import threading
from collections.abc import Callable

from rewardgen.isolation.confines import Confines

_NOWHERE = "/nonexistent/rewardgen-canary"


def escapes(parent: int, confines: Confines) -> list[str]:
    """Return what this process could do although it must not.

    Args:
        parent: process id of another process of the same user.
        confines: what it may do.
    """
    attempts: dict[str, Callable[[], object]] = {
        "read a file of the system": lambda: _read("/etc/passwd"),
        "list the root directory": lambda: os.listdir("/"),
        "read an installed package": lambda: _read(__file__),
        "list the installed packages": lambda: os.listdir(sysconfig.get_path("purelib")),
        "read its parent's environment": lambda: _read(f"/proc/{parent}/environ"),
        "create a file": _create,
        "change a file's mode": lambda: _reaches(lambda: os.chmod(_NOWHERE, 0o600)),
        "remove a file": lambda: _reaches(lambda: os.unlink("/tmp")),
        "execute a program": lambda: _reaches(lambda: os.execv(_NOWHERE, [_NOWHERE])),
        "start a process": _fork,
        "start a thread": _thread,
        "signal its parent": lambda: os.kill(parent, 0),
        "open a TCP socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM).close(),
        "open a UDP socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close(),
        "open a local socket": lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM).close(),
        "exceed its memory": lambda: _allocate(confines.memory_bytes),
    }
    if confines.placement == "worker":
        del attempts["start a thread"], attempts["open a local socket"]
        attempts["reach a local socket"] = _connect
        attempts["empty a file that it may read"] = lambda: os.close(
            os.open("/proc/cpuinfo", os.O_RDONLY | os.O_TRUNC)
        )
    return [name for name, attempt in attempts.items() if _succeeds(attempt)]


def _succeeds(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except (OSError, RuntimeError, MemoryError):
        return False
    return True


def _reaches(call: Callable[[], object]) -> None:
    """Make a call that cannot do anything; raise if it is refused before it finds that out."""
    try:
        call()
    except (FileNotFoundError, IsADirectoryError):
        return


def _read(path: str) -> None:
    with open(path, "rb") as file:
        file.read(1)


def _connect() -> None:
    for kind in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET):
        with socket.socket(socket.AF_UNIX, kind) as local:
            _reaches(lambda local=local: local.connect(_NOWHERE))


def _create() -> None:
    with tempfile.TemporaryFile(dir="/tmp"):
        pass


def _allocate(size: int) -> None:
    mmap.mmap(-1, size + mmap.PAGESIZE, mmap.MAP_PRIVATE).close()


def _fork() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


def _thread() -> None:
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()
