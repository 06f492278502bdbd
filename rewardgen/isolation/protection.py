"""Which protections a worker gets, by mode.

``strict``: every layer, tried out in the worker before it loads any code; else it is refused.
``standard``: as much as the system offers; refused where the system offers nothing.
``none``: a process of its own with a clean environment and deadlines, and nothing else.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Self, cast

from rewardgen.isolation.confines import Confines
from rewardgen_envs.errors import UsageError

try:
    from rewardgen.isolation.linux import limits
    from rewardgen.isolation.linux import lock as linux
except ImportError:
    linux = limits = None

Mode = Literal["strict", "standard", "none"]
ALWAYS: tuple[str, ...] = ("own process", "clean environment", "deadlines")
TRIED = "tried out"


class IsolationError(UsageError):
    """The mode asked for is not offered by this system."""


@dataclass(frozen=True)
class Protection:
    """What protects against a worker, as it reports before it loads any code.

    Attributes:
        applied: its layers; ``tried out`` if whatever they forbid was tried in vain.
        missing: layer → why the system did not grant it.
        escapes: what it could do although it must not.
    """

    applied: tuple[str, ...] = ALWAYS
    missing: Mapping[str, str] = field(default_factory=dict[str, str])
    escapes: tuple[str, ...] = ()

    @classmethod
    def reported(cls, said: Mapping[str, object]) -> Self:
        """Return what a process said of itself before it loaded any code.

        Raises:
            KeyError: it said something else.
        """
        return cls(
            applied=tuple(cast("list[str]", said["applied"])),
            missing=cast("dict[str, str]", said["missing"]),
            escapes=tuple(cast("list[str]", said["escapes"])),
        )

    @property
    def complete(self) -> bool:
        """Whether every layer is there and holds."""
        return TRIED in self.applied and not self.missing

    @property
    def gaps(self) -> str:
        """What is not protected, for people."""
        missing = [f"'{layer}' is missing ({why})" for layer, why in self.missing.items()]
        return "; ".join([*missing, *(f"reward code can {escape}" for escape in self.escapes)])


def offered() -> Mode:
    """Return the mode to be used by default on this system."""
    return "none" if linux is None else "standard"


def require(mode: Mode) -> None:
    """Check that this system may offer a mode.

    Raises:
        IsolationError: it does not; says what to do.
    """
    if mode != "none" and offered() == "none":
        raise IsolationError(
            f"isolation '{mode}' needs Linux, this is {sys.platform}: reward code could read "
            "your files and use the network as you. What still protects you: static checks, a "
            "process without your keys, deadlines, and scoring in a separate process. Use Docker "
            "or Linux for code that you do not trust. To go on: --isolation none"
        )


def prepared(mode: str, confines: Confines) -> int | None:
    """Return what a process makes once for all that it forks and that call ``protect``."""
    return None if mode == "none" or linux is None else linux.prepared(confines)


def protect(mode: str, parent: int, confines: Confines, rules: int | None = None) -> Protection:
    """Protect this process, which is about to load a candidate, and try whether it holds.

    Args:
        mode: how much protects.
        parent: process id of its parent.
        confines: what it is left with.
        rules: from ``prepared`` with the same mode and confines.
    """
    if mode == "none" or linux is None:
        return Protection()
    locked = linux.lock(parent, confines, rules)
    tried = () if locked.escapes else (TRIED,)
    return Protection((*ALWAYS, *locked.applied, *tried), locked.missing, locked.escapes)


def die_with_parent(parent: int) -> None:
    """Have this process end with its parent, where the system sees to that.

    Args:
        parent: process id of the parent.
    """
    if limits is not None:
        limits.die_with_parent(parent)


def can_fork() -> bool:
    """Tell whether a process that has loaded torch may fork; macOS' libraries forbid it."""
    return linux is not None and hasattr(os, "fork")
