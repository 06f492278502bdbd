"""A filter of system calls: what a worker needs is allowed, everything else is refused.

A list of what is allowed stays right when kernels learn new calls. The filter is a program for the
kernel's classic BPF machine (linux/filter.h); a refused call returns EPERM.
"""

from __future__ import annotations

import ctypes
import errno
import os
from dataclasses import dataclass

from rewardgen.isolation.linux import libc
from rewardgen.isolation.linux.syscalls import audit_name, number, numbers

_LOAD, _EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06
_ALLOW, _KILL, _REFUSE = 0x7FFF0000, 0x80000000, 0x00050000 | errno.EPERM
_NUMBER, _PROCESSOR, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data
_SET_MODE_FILTER = 1

ALLOWED = (
    # memory
    "brk", "madvise", "mincore", "mmap", "mprotect", "mremap", "munmap",
    # the channel to the owner
    "poll", "ppoll", "pselect6", "recvfrom", "recvmsg", "select", "sendmsg", "sendto", "shutdown",
    # files that are open, or that Landlock lets it read
    "access", "close", "dup", "faccessat", "faccessat2", "fstat", "getcwd", "getdents64", "lseek",
    "lstat", "newfstatat", "pread64", "read", "readlink", "readlinkat", "readv", "stat", "statx",
    "write", "writev",
    # time and itself
    "clock_getres", "clock_gettime", "clock_nanosleep", "getcpu", "getegid", "geteuid", "getgid",
    "getpid", "getppid", "getrandom", "getrlimit", "getrusage", "gettid", "gettimeofday", "getuid",
    "nanosleep", "sched_getaffinity", "sched_yield", "sysinfo", "times", "uname",
    # what the C library does to run at all
    "exit", "exit_group", "futex", "membarrier", "restart_syscall", "rseq", "rt_sigaction",
    "rt_sigprocmask", "rt_sigreturn", "set_robust_list", "sigaltstack",
)  # fmt: skip


@dataclass(frozen=True)
class Condition:
    """An allowed call, if the lower half of an argument is as it should be.

    Attributes:
        name: of the system call.
        argument: counted from 0.
        values: what the argument may be; empty: anything without the bits below.
        without: bits that it must not have.
    """

    name: str
    argument: int
    values: tuple[int, ...] = ()
    without: int = 0


def conditions() -> tuple[Condition, ...]:
    """Return the calls that are allowed with certain arguments only; this process's own id too."""
    writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
    return (
        Condition("openat", 2, without=writing),
        # not F_SETOWN and F_SETSIG: they make the kernel send signals to other processes
        Condition("fcntl", 1, values=(0, 1, 2, 3, 4, 1030)),  # duplicate, flags
        Condition("ioctl", 1, values=(0x5401, 0x5421, 0x5451)),  # TCGETS, FIONBIO, FIOCLEX
        # abort() signals the process itself
        Condition("tgkill", 0, values=(os.getpid(),)),
        # limits of this process, not of others
        Condition("prlimit64", 0, values=(0,)),
    )


class _Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_uint16),
        ("if_true", ctypes.c_uint8),
        ("if_false", ctypes.c_uint8),
        ("value", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("instructions", ctypes.POINTER(_Instruction)))


_Code = tuple[int, int, int, int]


def program() -> list[_Code]:
    """Return the filter: code, jump if true, jump if false, value of each instruction.

    Raises:
        UnknownProcessorError: the numbers of its system calls are not known.
    """
    code: list[_Code] = [
        (_LOAD, 0, 0, _PROCESSOR),
        (_EQUAL, 1, 0, audit_name()),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
    ]
    for allowed in numbers(ALLOWED):
        code += [(_EQUAL, 0, 1, allowed), (_RETURN, 0, 0, _ALLOW)]
    for condition in conditions():
        body = _conditional(condition)
        code += [(_EQUAL, 0, len(body), number(condition.name)), *body]
    return [*code, (_RETURN, 0, 0, _REFUSE)]


def _conditional(condition: Condition) -> list[_Code]:
    """Return what follows when the call is the one of a condition."""
    # the lower half of a 64-bit argument comes first on both processors
    body: list[_Code] = [(_LOAD, 0, 0, _ARGUMENTS + 8 * condition.argument)]
    if condition.without:
        body += [(_ANY_BIT, 1, 0, condition.without), (_RETURN, 0, 0, _ALLOW)]
    for value in condition.values:
        body += [(_EQUAL, 0, 1, value), (_RETURN, 0, 0, _ALLOW)]
    return [*body, (_RETURN, 0, 0, _REFUSE)]


def install() -> None:
    """Filter the system calls of this thread, and of all that it starts, for ever.

    Raises:
        OSError: the kernel refuses, or the processor is not known.
    """
    code = program()
    instructions = (_Instruction * len(code))(*(_Instruction(*line) for line in code))
    filter_ = _Program(len(code), instructions)
    libc.system_call(number("seccomp"), _SET_MODE_FILTER, 0, filter_)
