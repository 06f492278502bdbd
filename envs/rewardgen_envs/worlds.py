"""Worlds of any task: the order of a step is the same, whatever simulates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from jaxtyping import Float32
from torch import Tensor

from rewardgen_envs.adapters.mapped.task import MappedTask
from rewardgen_envs.adapters.mapped.worlds import MappedWorlds
from rewardgen_envs.base_task import BaseTask
from rewardgen_envs.engines.choice import CPU, EngineChoice
from rewardgen_envs.simulation import Simulation, Step
from rewardgen_envs.task import Task


class Worlds(Protocol):
    """Worlds that are stepped together.

    Attributes:
        nworld: how many.
        state: features where the next step starts.
    """

    nworld: int
    state: Float32[Tensor, "B F"]

    def observation(self) -> Tensor:
        """Return what the policies see now, (B, …)."""
        ...

    def step(self, action: Tensor) -> Step:
        """Advance every world by one control step.

        Args:
            action: float32 (B, A) in [-1, 1], or int64 (B,) if discrete.
        """
        ...

    def check_contacts(self) -> None:
        """Refuse what was simulated with too little room for contacts.

        Raises:
            ContactsOverflow: it was.
        """
        ...

    def close(self) -> None:
        """Free the worlds."""
        ...


def open_worlds(
    task: BaseTask,
    seeds: Sequence[int],
    worlds_per_member: int,
    *,
    threads: int | None = None,
    engine: EngineChoice = CPU,
) -> Worlds:
    """Return worlds of P members, N each; world b is world b % N of member b // N.

    Args:
        task: the task.
        seeds: one per member; they key every random number of a reset.
        worlds_per_member: N.
        threads: physics threads; None for one per CPU of this process.
        engine: what simulates; a mapped task brings its own.

    Raises:
        UsageError: the task does not give what it declares, or the engine cannot be had.
    """
    if isinstance(task, Task):
        return Simulation(task, seeds, worlds_per_member, threads=threads, engine=engine)
    assert isinstance(task, MappedTask)
    return MappedWorlds(task, seeds, worlds_per_member)
