"""What a process that runs reward code is left with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Placement = Literal["process", "worker"]
"""Where reward code runs: alone, or with its trainer in one process that reaches a GPU."""


@dataclass(frozen=True)
class Confines:
    """What a process is left with once it is locked.

    Attributes:
        memory_bytes: private memory it may have.
        readable: directories and files that it may read.
        writable: where it may also write; nowhere if it runs reward code alone.
        placement: ``process``: nothing but the channel to its owner; ``worker``: also threads of
            its own, and what the driver of a GPU asks for.
    """

    memory_bytes: int
    readable: Sequence[str]
    writable: Sequence[str] = ()
    placement: Placement = "process"
