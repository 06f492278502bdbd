"""The contract of a physics engine: many simulations ("worlds") of one model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import mujoco
import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from rewardgen_envs.errors import UsageError

STATE_WARNINGS = [
    int(mujoco.mjtWarning.mjWARN_INERTIA),
    int(mujoco.mjtWarning.mjWARN_BADQPOS),
    int(mujoco.mjtWarning.mjWARN_BADQVEL),
    int(mujoco.mjtWarning.mjWARN_BADQACC),
]
"""MuJoCo's warnings of what ``Engine.health`` reports."""


class ContactsOverflow(RuntimeError):
    """Room for contacts ran out, so what was simulated is void; begin again with more."""


class EngineError(UsageError):
    """An engine that cannot be had: no such device, too little memory, an unsupported scene."""


@dataclass(frozen=True)
class Health:
    """What went wrong in the worlds.

    Attributes:
        diverged: the state is not finite.
        overflow: room for contacts ran out somewhere since the engine was made; whatever was
            simulated is void. A tensor, so that only who reads it waits for the device.
    """

    diverged: Bool[Tensor, " B"]
    overflow: Bool[Tensor, ""]


def write_rows(field: Tensor, values: Tensor, rows: Int64[Tensor, " R"] | None) -> None:
    """Write some rows (None: all) of a live field (B, ...), in its own precision."""
    if rows is None:
        field.copy_(values)
    else:
        field[rows] = values.to(field.dtype)


class Engine(Protocol):
    """Batched physics.

    After ``step``, ``forward`` and ``reset``, position- and velocity-level fields and sensors
    describe the new state. Acceleration-level fields describe the last substep.
    """

    @property
    def model(self) -> mujoco.MjModel:
        """The compiled scene."""
        ...

    @property
    def nworld(self) -> int:
        """Number of worlds B."""
        ...

    @property
    def device(self) -> torch.device:
        """Where the fields live."""
        ...

    def field(self, name: str) -> Tensor:
        """Return the live array (B, ...) of an MjData field, in the engine's own precision."""
        ...

    def write(self, name: str, values: Tensor, rows: Int64[Tensor, " R"] | None) -> None:
        """Write a state field of some worlds (None: all); ``values`` is (R, ...)."""
        ...

    def step(self, substeps: int) -> None:
        """Advance every world by ``substeps`` physics steps."""
        ...

    def forward(self, rows: Int64[Tensor, " R"] | None) -> None:
        """Compute the derived fields of some worlds (None: all) from their state."""
        ...

    def reset(self, rows: Int64[Tensor, " R"] | None) -> None:
        """Put some worlds (None: all) into the model's default state, without ``forward``."""
        ...

    def randomize(self, fields: Mapping[str, Tensor], rows: Int64[Tensor, " R"] | None) -> None:
        """Give some worlds (None: all) their own values of model fields, (R, ...) each."""
        ...

    def health(self) -> Health:
        """Report diverged worlds and overflows."""
        ...

    def snapshot(self, world: int) -> mujoco.MjData:
        """Copy one world, for rendering."""
        ...

    def close(self) -> None:
        """Free the worlds and threads."""
        ...
