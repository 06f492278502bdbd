"""An engine that remembers what was asked of it."""

from __future__ import annotations

from collections.abc import Mapping

import mujoco
import torch
from jaxtyping import Int64
from torch import Tensor

from rewardgen_envs.engines.base import Engine, Health


class WatchedEngine:
    """Passes everything on to another engine and notes fields read and health reported.

    Attributes:
        fields_read: names of all fields that were read.
        last_health: the last report.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.fields_read: set[str] = set()
        self.last_health = engine.health()

    @property
    def model(self) -> mujoco.MjModel:
        """The compiled scene."""
        return self._engine.model

    @property
    def nworld(self) -> int:
        """Number of worlds B."""
        return self._engine.nworld

    @property
    def device(self) -> torch.device:
        """Where the fields live."""
        return self._engine.device

    def field(self, name: str) -> Tensor:
        """Return a live field and note its name."""
        self.fields_read.add(name)
        return self._engine.field(name)

    def write(self, name: str, values: Tensor, rows: Int64[Tensor, " R"] | None) -> None:
        """Write a state field of some worlds."""
        self._engine.write(name, values, rows)

    def step(self, substeps: int) -> None:
        """Advance every world."""
        self._engine.step(substeps)

    def forward(self, rows: Int64[Tensor, " R"] | None) -> None:
        """Compute the derived fields of some worlds."""
        self._engine.forward(rows)

    def reset(self, rows: Int64[Tensor, " R"] | None) -> None:
        """Put some worlds into the model's default state."""
        self._engine.reset(rows)

    def randomize(self, fields: Mapping[str, Tensor], rows: Int64[Tensor, " R"] | None) -> None:
        """Give some worlds their own values of a model field."""
        self._engine.randomize(fields, rows)

    def health(self) -> Health:
        """Report the engine's health and keep the report."""
        self.last_health = self._engine.health()
        return self.last_health

    def snapshot(self, world: int) -> mujoco.MjData:
        """Copy one world."""
        return self._engine.snapshot(world)

    def close(self) -> None:
        """Free the engine."""
        self._engine.close()
