"""Memory to share that has no path."""

from __future__ import annotations

import os


def anonymous_memory(size: int) -> int:
    """Return the descriptor of so many bytes of memory that have no path."""
    fd = os.memfd_create("rewardgen", os.MFD_CLOEXEC)
    os.ftruncate(fd, size)
    return fd
