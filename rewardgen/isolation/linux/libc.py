"""System calls that Python has no function for."""

from __future__ import annotations

import ctypes
import os

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def prctl(option: int, *arguments: int) -> int:
    """Set something about this process; manual page prctl, section 2.

    Raises:
        OSError: it failed.
    """
    padded = [ctypes.c_ulong(value) for value in (*arguments, 0, 0, 0, 0)[:4]]
    return _checked(_libc.prctl(ctypes.c_int(option), *padded), "prctl")


def system_call(number: int, *arguments: int | bytes | ctypes.Structure | None) -> int:
    """Make a system call by its number; bytes and structures are passed by their address.

    Raises:
        OSError: it failed.
    """
    given = [_argument(argument) for argument in arguments]
    return _checked(_libc.syscall(ctypes.c_long(number), *given), f"system call {number}")


def unshare(flags: int) -> None:
    """Leave what is shared with other processes; manual page unshare, section 2.

    Raises:
        OSError: it failed.
    """
    _checked(_libc.unshare(ctypes.c_int(flags)), "unshare")


def _argument(value: int | bytes | ctypes.Structure | None) -> object:
    if isinstance(value, int):
        return ctypes.c_long(value)
    if isinstance(value, ctypes.Structure):
        return ctypes.byref(value)
    return ctypes.c_char_p(value)


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result
