"""What only Linux offers. The rest of the package works, unprotected, without this module."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys

if sys.platform != "linux":
    raise ImportError("these protections exist on Linux only")

_PR_SET_PDEATHSIG = 1
_MAX_OPEN_FILES = 256


def anonymous_memory(size: int) -> int:
    """Return the descriptor of so many bytes of memory that have no path."""
    fd = os.memfd_create("rewardgen", os.MFD_CLOEXEC)
    os.ftruncate(fd, size)
    return fd


def protect(parent: int, memory_bytes: int) -> list[str]:
    """Apply what this process can apply to itself before it loads a candidate.

    Args:
        parent: process id of the parent; this process dies with it.
        memory_bytes: private memory it may have.

    Returns:
        The names of what was applied.
    """
    applied: list[str] = []
    for name, apply in (
        ("dies with its parent", lambda: _die_with_parent(parent)),
        ("no core dumps", lambda: _limit(resource.RLIMIT_CORE, 0)),
        ("no file writes", lambda: _limit(resource.RLIMIT_FSIZE, 0)),
        ("open files limit", lambda: _limit(resource.RLIMIT_NOFILE, _MAX_OPEN_FILES)),
        ("memory limit", lambda: _limit(resource.RLIMIT_DATA, memory_bytes)),
        ("first to go when memory is short", _volunteer_for_the_oom_killer),
    ):
        try:
            apply()
        except OSError:
            continue  # not listed as applied
        applied.append(name)
    return applied


def _die_with_parent(parent: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != parent:  # it died before the call
        os._exit(1)


def _limit(which: int, value: int) -> None:
    _, hard = resource.getrlimit(which)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    try:
        resource.setrlimit(which, (value, value))
    except ValueError as error:
        raise OSError(str(error)) from error


def _volunteer_for_the_oom_killer() -> None:
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")
