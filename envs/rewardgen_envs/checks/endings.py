"""Terminal states: transitions from a start of the task to just where a termination holds.

Random play meets some causes of termination rarely or never: the ant's torso, for example, is
lower than its own radius only after a hard fall. So worlds are placed there, without physics.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from rewardgen_envs.checks.plays import keep_valid, random_actions
from rewardgen_envs.draw import Draw
from rewardgen_envs.engines.mujoco_batch import MujocoBatchEngine
from rewardgen_envs.finite import finite_rows
from rewardgen_envs.simulation import Simulation
from rewardgen_envs.task import Initial, Task

WORLDS = 48
HALVINGS = 12
# m or rad, and m/s or rad/s; the next ones for causes that those before them do not meet
DISPLACEMENTS = ((1.5, 5.0), (0.0, 200.0), (50.0, 200.0))
_SEED = 29


@dataclass(frozen=True)
class Ending:
    """Last steps of episodes that one cause ends.

    Attributes:
        cause: the cause of termination.
        state: features before the step, (R, F); nothing is terminated there.
        action: the actions, (R, A) or (R,).
        next_state: features after it, (R, F); the cause holds there.
    """

    cause: str
    state: Tensor
    action: Tensor
    next_state: Tensor


def endings(make: Callable[[], Task]) -> tuple[Ending, ...]:
    """Return an ending by each cause.

    A cause that no position and velocity brings about, because it needs time or a memory, is
    only marked: its states are starts of the task.

    Args:
        make: makes a task that nothing has been done with.
    """
    bench = _Bench(make)
    try:
        return tuple(bench.ending(cause) for cause in bench.task.causes)
    finally:
        bench.close()


class _Bench:
    """Worlds of a task that can be placed anywhere between a start and a displaced state."""

    def __init__(self, make: Callable[[], Task]) -> None:
        self.task = make()
        self._make = make
        self._engine = MujocoBatchEngine(self.task.model, WORLDS)
        world = torch.arange(WORLDS)
        draw = Draw(torch.full_like(world, _SEED), world, torch.zeros_like(world))
        self._start = self.task.reset(torch.ones_like(world, dtype=torch.bool), draw)
        self._alive = self._features(self._start)
        generator = torch.Generator().manual_seed(_SEED)
        self._action = random_actions(self.task, 1, WORLDS, generator)[0]
        self._displaced = [self._moved(metres, speed, generator) for metres, speed in DISPLACEMENTS]

    def close(self) -> None:
        """Free the engine."""
        self._engine.close()

    def ending(self, cause: str) -> Ending:
        """Return transitions that a cause ends, as near to the starts as it holds."""
        for displaced in self._displaced:
            next_state, placed = self._boundary(cause, displaced)
            if bool(placed.any()):
                return self._transitions(cause, next_state, placed)
        marked = self._alive.clone()
        for name in (cause, "terminated"):
            marked[:, self.task.table.columns(name)] = 1.0
        return self._transitions(cause, marked, torch.ones(WORLDS, dtype=torch.bool))

    def _transitions(self, cause: str, after: Tensor, rows: Tensor) -> Ending:
        """Return some rows as transitions of one control step."""
        task, table = self.task, self.task.table
        after = after.clone()
        after[:, table.columns("episode_time_s")] = task.control_dt_s
        action = self._action.to(after.dtype).reshape(WORLDS, -1)
        after[:, table.columns("last_action")] = action
        return Ending(cause, self._alive[rows], self._action[rows], after[rows])

    def _boundary(self, cause: str, displaced: Initial) -> tuple[Tensor, Tensor]:
        """Find where a cause begins to hold on the way from the starts to displaced states.

        Returns:
            The features there, (B, F), and the worlds in which there is such a place, (B,).
        """
        low, high = torch.zeros(WORLDS, 1), torch.ones(WORLDS, 1)
        for _ in range(HALVINGS):
            middle = (low + high) / 2.0
            holds = self._holds(cause, self._between(displaced, middle)).unsqueeze(1)
            low, high = torch.where(holds, low, middle), torch.where(holds, middle, high)
        after = self._between(displaced, high)
        nobody = ~self._holds("terminated", self._alive)
        return after, self._holds(cause, after) & nobody & finite_rows(after)

    def _holds(self, name: str, features: Tensor) -> Tensor:
        return features[:, self.task.table.columns(name).start] > 0.5

    def _between(self, displaced: Initial, share: Tensor) -> Tensor:
        """Return the features at some share of the way to displaced states."""
        start = self._start
        qpos = start.qpos + share * (displaced.qpos - start.qpos)
        for joint in range(self.task.model.njnt):
            keep_valid(self.task.model, joint, qpos)
        qvel = start.qvel + share * (displaced.qvel - start.qvel)
        return self._features(replace(start, qpos=qpos, qvel=qvel))

    def _moved(self, metres: float, speed: float, generator: torch.Generator) -> Initial:
        """Displace positions, velocities or both, one world in three each."""
        start, third = self._start, torch.arange(WORLDS).unsqueeze(1) % 3
        moved, thrown = (
            torch.randn(x.shape, generator=generator, dtype=x.dtype)
            for x in (start.qpos, start.qvel)
        )
        qpos = start.qpos + metres * moved * (third != 1)
        return replace(start, qpos=qpos, qvel=start.qvel + speed * thrown * (third != 0))

    def _features(self, initial: Initial) -> Tensor:
        """Return the features, with the causes that hold, of worlds placed in a state."""
        task = self._make()

        def reset(mask: Tensor, draw: Draw) -> Initial:
            return initial

        setattr(task, "reset", reset)  # noqa: B010 - a method of this one object
        return Simulation(task, [_SEED], WORLDS, engine=self._engine).state
