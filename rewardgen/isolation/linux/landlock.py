"""Landlock: which files a process may open, whoever it runs as (Linux 5.13 and later).

What stays allowed is to read below a few directories, and to write below others; nothing may be
executed. Newer kernels also refuse TCP, device control, and signals and abstract sockets to the
outside.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence

from rewardgen.isolation.linux import libc
from rewardgen.isolation.linux.syscalls import number

_VERSION = 1
_PATH_BENEATH = 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_TRUNCATE, _DEVICE_CONTROL = 1 << 14, 1 << 15
_ON_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _DEVICE_CONTROL
# how many kinds of access to files each version of the interface knows; see landlock(7)
_FILE_ACCESSES = {1: 13, 2: 14, 3: 15, 5: 16}
_NETWORK_SINCE, _TCP = 4, 0b11
_SCOPES_SINCE, _SCOPES = 6, 0b11


class Ruleset(ctypes.Structure):
    """What is refused unless a rule allows it (struct landlock_ruleset_attr)."""

    _fields_ = (
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def version() -> int:
    """Return the version of the interface that the kernel offers.

    Raises:
        OSError: it offers none, or Landlock is switched off.
    """
    return libc.system_call(number("landlock_create_ruleset"), None, 0, _VERSION)


def restrict(readable: Sequence[str], writable: Sequence[str] = ()) -> None:
    """Let this thread, and what it starts, open files below some directories only.

    Args:
        readable: the directories, or files; what does not exist is left out.
        writable: the same, where files may also be made, written and removed.

    Raises:
        OSError: the kernel offers no Landlock.
    """
    enforce(prepare(readable, writable))


def prepare(readable: Sequence[str], writable: Sequence[str] = ()) -> int:
    """Return a descriptor of rules for ``enforce``; children inherit it, and may use it each.

    To make hundreds of rules takes milliseconds, to enforce them takes none.

    Args:
        readable: see ``restrict``.
        writable: see ``restrict``.

    Raises:
        OSError: the kernel offers no Landlock.
    """
    offered = version()
    known = max(count for since, count in _FILE_ACCESSES.items() if since <= offered)
    ruleset = Ruleset(
        handled_access_fs=(1 << known) - 1,
        handled_access_net=_TCP if offered >= _NETWORK_SINCE else 0,
        scoped=_SCOPES if offered >= _SCOPES_SINCE else 0,
    )
    size = 8 if offered < _NETWORK_SINCE else 16 if offered < _SCOPES_SINCE else 24
    rules = libc.system_call(number("landlock_create_ruleset"), ruleset, size, 0)
    try:
        for path in readable:
            _allow(rules, path, _READ_FILE | _READ_DIR)
        for path in writable:
            _allow(rules, path, ruleset.handled_access_fs & ~_EXECUTE)
    except OSError:
        os.close(rules)
        raise
    return rules


def enforce(rules: int) -> None:
    """Hold this thread, and what it starts, to prepared rules for ever; their descriptor closes.

    Raises:
        OSError: the kernel refuses.
    """
    try:
        libc.system_call(number("landlock_restrict_self"), rules, 0)
    finally:
        os.close(rules)


def _allow(rules: int, path: str, access: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # one missing directory must not leave all others unprotected
    try:
        if not os.path.isdir(path):
            access &= _ON_FILES
        rule = _PathBeneath(allowed_access=access, parent_fd=place)
        libc.system_call(number("landlock_add_rule"), rules, _PATH_BENEATH, rule, 0)
    finally:
        os.close(place)
