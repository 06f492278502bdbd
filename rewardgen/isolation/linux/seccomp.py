"""A filter of system calls: what a process needs is allowed, everything else is refused.

A list of what is allowed stays right when kernels learn new calls. The filter is a program for the
kernel's classic BPF machine (linux/filter.h); a refused call returns EPERM.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import socket
from dataclasses import dataclass

from rewardgen.isolation.confines import Placement
from rewardgen.isolation.linux import libc
from rewardgen.isolation.linux.syscalls import audit_name, number, numbers

_LOAD, _EQUAL, _ANY_BIT, _RETURN, _MASK = 0x20, 0x15, 0x45, 0x06, 0x54
_ALLOW, _KILL, _FAIL_WITH = 0x7FFF0000, 0x80000000, 0x00050000
_REFUSE, _UNKNOWN = _FAIL_WITH | errno.EPERM, _FAIL_WITH | errno.ENOSYS
_NUMBER, _PROCESSOR, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data
_SET_MODE_FILTER = 1
_CLONE_THREAD = 0x00010000
_NAMES_OF_THREADS = (15, 16)  # PR_SET_NAME, PR_GET_NAME
# memory that the limit on private memory leaves out: shared with nobody, or growing like a stack
_UNCOUNTED = tuple((bits, bits) for bits in (mmap.MAP_SHARED | mmap.MAP_ANONYMOUS, 0x100))
_WRITING = ((os.O_ACCMODE, os.O_WRONLY), (os.O_ACCMODE, os.O_RDWR))
_CREATING = ((os.O_CREAT, os.O_CREAT), (os.O_TRUNC, os.O_TRUNC))
# before Linux 6.2 Landlock lets files be emptied that may only be read
_EMPTYING = ((os.O_ACCMODE | os.O_TRUNC, os.O_TRUNC),)
_AF_UNIX = 1
_STREAMS = tuple(
    kind | flags
    for kind in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET)
    for flags in (0, socket.SOCK_CLOEXEC, socket.SOCK_NONBLOCK, 0o2004000)
)

ALLOWED = (
    # memory
    "brk", "madvise", "mincore", "mprotect", "mremap", "munmap",
    # the channel to the owner
    "poll", "ppoll", "pselect6", "recvfrom", "recvmsg", "select", "sendmsg", "sendto", "shutdown",
    # files that are open, or that Landlock lets it read
    "access", "close", "dup", "faccessat", "faccessat2", "fstat", "getcwd", "getdents64", "lseek",
    "lstat", "newfstatat", "pread64", "read", "readv", "stat", "statx", "write", "writev",
    # time and itself
    "clock_getres", "clock_gettime", "clock_nanosleep", "getcpu", "getegid", "geteuid", "getgid",
    "getpid", "getppid", "getrandom", "getrlimit", "getrusage", "gettid", "gettimeofday", "getuid",
    "nanosleep", "sched_getaffinity", "sched_yield", "sysinfo", "times", "uname",
    # what the C library does to run at all
    "exit", "exit_group", "futex", "membarrier", "restart_syscall", "rseq", "rt_sigaction",
    "rt_sigprocmask", "rt_sigreturn", "set_robust_list", "sigaltstack",
)  # fmt: skip


# what a trainer, its threads and a GPU's driver need beside; files are Landlock's to refuse, but
# not where links point to
ALLOWED_TO_WORKERS = (
    "bind", "dup3", "epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_wait", "eventfd2",
    "fallocate", "fdatasync", "flock", "fstatfs", "fsync", "ftruncate", "get_mempolicy", "ioctl",
    "listen", "mbind", "memfd_create", "mkdir", "mkdirat", "mlock", "mmap", "msync", "munlock",
    "pipe2", "pwrite64", "readlink", "readlinkat", "rename", "renameat", "renameat2", "rmdir",
    "rt_sigtimedwait", "sched_get_priority_max", "sched_get_priority_min", "sched_getparam",
    "sched_getscheduler", "sched_setaffinity", "set_mempolicy", "set_tid_address", "statfs",
    "unlink", "unlinkat",
)  # fmt: skip


@dataclass(frozen=True)
class Condition:
    """An allowed call, if the lower half of an argument is as it should be.

    Attributes:
        name: of the system call.
        argument: counted from 0.
        values: what the argument may be.
        without: (mask, bits): what is left of it by the mask must not be the bits, if there are
            no values.
        with_bit: a bit that it must have, if there are no values.
        first: what the first argument must be besides; None for anything.
    """

    name: str
    argument: int
    values: tuple[int, ...] = ()
    without: tuple[tuple[int, int], ...] = ()
    with_bit: int = 0
    first: int | None = None


def conditions(placement: Placement) -> tuple[Condition, ...]:
    """Return the calls that are allowed with certain arguments only; this process's own id too."""
    always = (
        # not F_SETOWN and F_SETSIG: they make the kernel send signals to other processes
        Condition("fcntl", 1, values=(0, 1, 2, 3, 4, 1030)),  # duplicate, flags
        # abort() signals the process itself
        Condition("tgkill", 0, values=(os.getpid(),)),
        # limits of this process, not of others
        Condition("prlimit64", 0, values=(0,)),
    )
    if placement == "worker":
        threads = Condition("clone", 0, with_bit=_CLONE_THREAD)
        return (
            *always,
            threads,
            Condition("prctl", 0, values=_NAMES_OF_THREADS),
            Condition("openat", 2, without=_EMPTYING),
            # CUDA's driver makes one as it starts, and listens; nobody can be connected to
            Condition("socket", 1, values=_STREAMS, first=_AF_UNIX),
        )
    return (
        *always,
        Condition("mmap", 3, without=_UNCOUNTED),
        Condition("openat", 2, without=(*_WRITING, *_CREATING)),
        Condition("ioctl", 1, values=(0x5401, 0x5421, 0x5451)),  # TCGETS, FIONBIO, FIOCLEX
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


def program(placement: Placement) -> list[_Code]:
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
    beside = ALLOWED_TO_WORKERS if placement == "worker" else ()
    for allowed in numbers((*ALLOWED, *beside)):
        code += [(_EQUAL, 0, 1, allowed), (_RETURN, 0, 0, _ALLOW)]
    # its flags lie in memory that a filter cannot read; told that it is unknown, the C library
    # falls back to clone
    code += [(_EQUAL, 0, 1, number("clone3")), (_RETURN, 0, 0, _UNKNOWN)]
    for condition in conditions(placement):
        body = _conditional(condition)
        code += [(_EQUAL, 0, len(body), number(condition.name)), *body]
    return [*code, (_RETURN, 0, 0, _REFUSE)]


def _conditional(condition: Condition) -> list[_Code]:
    """Return what follows when the call is the one of a condition."""
    # the lower half of a 64-bit argument comes first on both processors
    load = (_LOAD, 0, 0, _ARGUMENTS + 8 * condition.argument)
    body: list[_Code] = []
    if condition.first is not None:
        body += [(_LOAD, 0, 0, _ARGUMENTS), (_EQUAL, 1, 0, condition.first)]
        body += [(_RETURN, 0, 0, _REFUSE)]
    body += [load]
    for mask, bits in condition.without:
        body += [(_MASK, 0, 0, mask), (_EQUAL, 0, 1, bits), (_RETURN, 0, 0, _REFUSE), load]
    if condition.without:
        body += [(_RETURN, 0, 0, _ALLOW)]
    if condition.with_bit:
        body += [(_ANY_BIT, 0, 1, condition.with_bit), (_RETURN, 0, 0, _ALLOW)]
    for value in condition.values:
        body += [(_EQUAL, 0, 1, value), (_RETURN, 0, 0, _ALLOW)]
    return [*body, (_RETURN, 0, 0, _REFUSE)]


def install(placement: Placement) -> None:
    """Filter the system calls of this thread, and of all that it starts, for ever.

    Raises:
        OSError: the kernel refuses, or the processor is not known.
    """
    code = program(placement)
    instructions = (_Instruction * len(code))(*(_Instruction(*line) for line in code))
    filter_ = _Program(len(code), instructions)
    libc.system_call(number("seccomp"), _SET_MODE_FILTER, 0, filter_)
