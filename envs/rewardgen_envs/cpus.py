"""How many CPUs this process may use."""

from __future__ import annotations

import os


def cpu_count() -> int:
    """Return the CPUs of this process's affinity mask; all there are where there is no mask."""
    # macOS has no affinity masks
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
