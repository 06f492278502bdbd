"""Which engine simulates, and where: plain data; imports neither torch nor mujoco."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

EngineName = Literal["mujoco", "warp"]
_CPU = "cpu"


@dataclass(frozen=True)
class Budget:
    """Room for contacts, which a GPU needs to be told beforehand.

    Attributes:
        contacts: contacts per world; all worlds share the sum.
        rows: rows of the constraint Jacobian in each world.
    """

    contacts: int
    rows: int

    def doubled(self) -> Budget:
        """Return twice the room."""
        return Budget(2 * self.contacts, 2 * self.rows)


@dataclass(frozen=True)
class EngineChoice:
    """An engine by name; plain data, so that it can travel with a job.

    Attributes:
        name: ``mujoco`` (threads of the CPU) or ``warp`` (MuJoCo Warp).
        device: ``cpu``, ``cuda``, ``cuda:1`` …; ``mujoco`` knows only the first.
        budget: room for contacts; ``warp`` needs it.
    """

    name: EngineName = "mujoco"
    device: str = _CPU
    budget: Budget | None = None

    @property
    def on_cpu(self) -> bool:
        """Whether tensors live in main memory."""
        return self.device == _CPU


CPU = EngineChoice()


def engine_for(devices: str) -> EngineName:
    """Return the engine that simulates on some devices where none is asked for."""
    return "mujoco" if devices == _CPU else "warp"


def with_more_room(choice: EngineChoice) -> EngineChoice:
    """Return the same engine with twice the room for contacts."""
    assert choice.budget is not None, "only an engine with a budget overflows"
    return replace(choice, budget=choice.budget.doubled())
