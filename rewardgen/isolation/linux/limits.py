"""Limits on what a process may use, and its end with that of its parent."""

from __future__ import annotations

import os
import resource
import signal

from rewardgen.isolation.linux import libc

_PR_SET_PDEATHSIG = 1
_MAX_OPEN_FILES = 1024
_MAX_STACK_BYTES = 8 * 2**20
# tables of pages cost a 512th of the addresses: of so many, a 32nd of the memory at most
_ADDRESSES_PER_BYTE = 16


def die_with_parent(parent: int) -> None:
    """Have this process killed when its parent ends. A change of credentials undoes it.

    Args:
        parent: process id of the parent; if it has ended already, so does this process.

    Raises:
        OSError: the kernel refuses.
    """
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def dump_no_core() -> None:
    """Write no memory to disk at a crash."""
    _limit(resource.RLIMIT_CORE, 0)


def write_no_files() -> None:
    """Let no file grow, wherever it is."""
    _limit(resource.RLIMIT_FSIZE, 0)


def open_few_files() -> None:
    """Limit the number of open files."""
    _limit(resource.RLIMIT_NOFILE, _MAX_OPEN_FILES)


def limit_memory(memory_bytes: int) -> None:
    """Limit private memory and the stack; shared mappings of files are not counted."""
    _limit(resource.RLIMIT_DATA, memory_bytes)
    _limit(resource.RLIMIT_STACK, _MAX_STACK_BYTES)


def limit_addresses(memory_bytes: int) -> None:
    """Limit what is mapped beyond what is there: empty pages too cost the kernel memory.

    Args:
        memory_bytes: private memory that this process may have.
    """
    with open("/proc/self/statm") as file:
        mapped = int(file.read().split()[0]) * resource.getpagesize()
    _limit(resource.RLIMIT_AS, mapped + _ADDRESSES_PER_BYTE * memory_bytes)


def volunteer_for_the_oom_killer() -> None:
    """Be the first to go when the machine runs out of memory."""
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")


def _limit(which: int, value: int) -> None:
    _, hard = resource.getrlimit(which)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    try:
        resource.setrlimit(which, (value, value))
    except ValueError as error:
        raise OSError(str(error)) from error
