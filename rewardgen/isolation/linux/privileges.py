"""Giving up privileges: capabilities and the network."""

from __future__ import annotations

import errno
import struct

from rewardgen.isolation.linux import libc
from rewardgen.isolation.linux.syscalls import number

_CLONE_NEWIPC = 0x08000000
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
_CAPABILITY_VERSION_3 = 0x20080522


def gain_nothing_by_exec() -> None:
    """Ignore set-user-id bits from now on; Landlock and seccomp ask for it.

    Raises:
        OSError: the kernel refuses.
    """
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1)


def leave_the_network() -> None:
    """Move to a network namespace without interfaces, and to one without System V IPC.

    Whoever may not make these alone gets them in a user namespace of its own.

    Raises:
        OSError: the kernel, or a container's filter, refuses both ways.
    """
    wanted = _CLONE_NEWNET | _CLONE_NEWIPC
    try:
        libc.unshare(wanted)
    except OSError:
        libc.unshare(wanted | _CLONE_NEWUSER)


def drop_capabilities() -> None:
    """Give up all capabilities for good; root too then meets ordinary permissions.

    Raises:
        OSError: the kernel refuses.
    """
    _empty_the_bounding_set()
    libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    # capset(2): version and process id; then effective, permitted and inheritable, twice
    header, none = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0), bytes(24)
    libc.system_call(number("capset"), header, none)


def _empty_the_bounding_set() -> None:
    for capability in range(64):
        try:
            libc.prctl(_PR_CAPBSET_DROP, capability)
        except OSError as error:
            # no further capability exists, or none can be gained by this process anyway
            if error.errno in (errno.EINVAL, errno.EPERM):
                return
            raise
