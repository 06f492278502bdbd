"""What a writer of scalars offers, and what it is told of a policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pydantic import JsonValue


@dataclass(frozen=True)
class PolicyLog:
    """A policy whose curves are written: one log of its own in every viewer.

    Attributes:
        run: name of the run.
        id: identifies the policy among those of all runs.
        source: whose reward it was trained on: a candidate's id, or trial and arm.
        place: its number among the policies of the source, from 0.
        config: task, reward, seed and settings, by which people compare logs.
    """

    run: str
    id: str
    source: str
    place: int
    config: Mapping[str, JsonValue]

    @property
    def name(self) -> str:
        """What people call it."""
        return f"{self.source}/seed-{self.place}"


class ScalarWriter(Protocol):
    """The open log of one policy."""

    def add_scalars(self, values: Mapping[str, float], step: int) -> None:
        """Write finite values at a step; steps increase."""
        ...

    def close(self) -> None:
        """Write what is left."""
        ...


OpenLog = Callable[[PolicyLog], ScalarWriter]
# what opens the logs of a run, given its directory and what tells the user something
Backend = Callable[[Path, Callable[[str], None]], AbstractContextManager[OpenLog]]
