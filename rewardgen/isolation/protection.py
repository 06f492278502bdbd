"""Which protections a worker gets, by mode.

``standard``: as much as the system offers; refused where the system offers nothing.
``none``: a process of its own with a clean environment and deadlines, and nothing else.
"""

from __future__ import annotations

import os
import sys
from typing import Literal

from rewardgen_envs.errors import UsageError

try:
    from rewardgen.isolation import linux
except ImportError:
    linux = None

Mode = Literal["standard", "none"]
ALWAYS: tuple[str, ...] = ("own process", "clean environment", "deadlines")


class IsolationError(UsageError):
    """The mode asked for is not offered by this system."""


def offered() -> Mode:
    """Return the strongest mode that this system offers."""
    return "none" if linux is None else "standard"


def require(mode: Mode) -> None:
    """Check that this system offers a mode.

    Raises:
        IsolationError: it does not; says what to do.
    """
    if mode == "standard" and offered() == "none":
        raise IsolationError(
            f"isolation 'standard' needs Linux, this is {sys.platform}: reward code could read "
            "your files and use the network as you. What still protects you: static checks, a "
            "process without your keys, deadlines, and scoring in a separate process. Use Docker "
            "or Linux for code that you do not trust. To go on: --isolation none"
        )


def protect(mode: str, parent: int, memory_bytes: int) -> list[str]:
    """Protect this process, which is about to load a candidate; returns what was applied."""
    applied = list(ALWAYS)
    if mode == "standard" and linux is not None:
        applied += linux.protect(parent, memory_bytes)
    return applied


def can_fork() -> bool:
    """Tell whether a process that has loaded torch may fork; macOS' libraries forbid it."""
    return linux is not None and hasattr(os, "fork")
