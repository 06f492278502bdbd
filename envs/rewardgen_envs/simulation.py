"""A batch of worlds of one task: the order of a control step.

actuate → substeps → trackers → features → terminations → keep terminal rows → masked reset
(state, variables, trackers) → forward and features of the reset worlds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor

from rewardgen_envs.engines.available import make_warp
from rewardgen_envs.engines.base import ContactsOverflow, Engine
from rewardgen_envs.engines.choice import CPU, EngineChoice
from rewardgen_envs.engines.mujoco_batch import MujocoBatchEngine
from rewardgen_envs.finite import finite_rows
from rewardgen_envs.measurement import Measurement, no_variables
from rewardgen_envs.metrics import FitnessTracker
from rewardgen_envs.mocap import write_mocap
from rewardgen_envs.physics import Physics
from rewardgen_envs.quantities import Quantities
from rewardgen_envs.randomization import scaled_fields
from rewardgen_envs.starts import Starts
from rewardgen_envs.task import Task


@dataclass(frozen=True)
class Step:
    """What one control step of all worlds gave.

    Attributes:
        state: features after the masked resets, where the next step starts.
        next_state: features right after the step; the true terminal ones where an episode ended.
        terminated: ended by the task.
        truncated: ended by the nominal length.
        valid: False where the simulation diverged; such a world is reset too.
        ended: terminated, truncated or diverged.
        length: control steps of the episode so far.
        fitness: each metric of the episode; meaningful where ``ended`` and ``valid``.
    """

    state: Float32[Tensor, "B F"]
    next_state: Float32[Tensor, "B F"]
    terminated: Bool[Tensor, " B"]
    truncated: Bool[Tensor, " B"]
    valid: Bool[Tensor, " B"]
    ended: Bool[Tensor, " B"]
    length: Int64[Tensor, " B"]
    fitness: dict[str, Tensor]

    def cpu(self) -> Step:
        """Return the same in main memory."""
        if self.state.device.type == "cpu":
            return self
        tensors = {name: value.cpu() for name, value in vars(self).items() if name != "fitness"}
        return Step(**tensors, fitness={name: value.cpu() for name, value in self.fitness.items()})


class Simulation:
    """Worlds of P members, N each; world b is world b % N of member b // N.

    Args:
        task: the task.
        seeds: one per member; they key every random number of a reset.
        worlds_per_member: N.
        threads: physics threads; None for one per CPU of this process.
        first_episode: number of the first episode of every world.
        engine: which engine, or one that was made already, with P * N worlds.

    Raises:
        TaskError: the task's methods do not give what it declares.
        SceneError: the scene does not compile.
        EngineError: the engine cannot be had.
    """

    def __init__(
        self,
        task: Task,
        seeds: Sequence[int],
        worlds_per_member: int,
        *,
        threads: int | None = None,
        first_episode: int = 0,
        engine: Engine | EngineChoice = CPU,
    ) -> None:
        self.task = task
        self.nworld = len(seeds) * worlds_per_member
        self.engine = (
            _engine(task, self.nworld, threads, engine)
            if isinstance(engine, EngineChoice)
            else engine
        )
        device = self.engine.device
        self.world = torch.arange(worlds_per_member, device=device).repeat(len(seeds))
        seed = torch.tensor(list(seeds), device=device).repeat_interleave(worlds_per_member)
        self._starts = Starts(task, seed, self.world)
        self.episode = torch.full((self.nworld,), first_episode - 1, device=device)
        self.t = torch.zeros(self.nworld, dtype=torch.int64, device=device)
        self.state = torch.zeros(self.nworld, task.table.width, device=device)
        self._measurement = Measurement(task, self.engine)
        self._metrics = FitnessTracker(task.metrics, self.nworld, task.episode_steps, device)
        self._restart(torch.arange(self.nworld, device=device))

    def observation(self) -> Float32[Tensor, "B O"]:
        """Return what the policies see now."""
        return self.task.observation(self.task.table.view(self.state))

    def step(self, action: Tensor) -> Step:
        """Advance every world by one control step.

        Args:
            action: float32 (B, A) in [-1, 1], or int64 (B,) if discrete.
        """
        task = self.task
        view = task.table.view(self.state)
        self.engine.write("ctrl", task.actuate(action, view), None)
        write_mocap(self.engine, task.move_mocap(action, view), None)
        self.engine.step(task.decimation)
        self.t += 1
        next_state = self._measurement.advance(action, self.t)
        valid = finite_rows(next_state) & ~self.engine.health().diverged
        view = task.table.view(next_state)
        terminated = (view.terminated > 0.5) & valid
        truncated = (self.t >= task.episode_steps) & ~terminated & valid
        ended = terminated | truncated | ~valid
        self._metrics.update(task.fitness(view))
        length = self.t.clone()
        # copies: a step's results stay as they are when the simulation goes on
        self.state = next_state
        fitness: dict[str, Tensor] = {}
        rows = ended.nonzero()[:, 0]
        if len(rows):
            fitness = self._metrics.result(length, terminated)
            self.state = next_state.clone()
            self._restart(rows)
        return Step(
            state=self.state,
            next_state=next_state,
            terminated=terminated,
            truncated=truncated,
            valid=valid,
            ended=ended,
            length=length,
            fitness=fitness,
        )

    def restart(self, mask: Bool[Tensor, " B"]) -> None:
        """Break off the episodes of some worlds and begin their next ones."""
        rows = mask.nonzero()[:, 0]
        if len(rows):
            self.state = self.state.clone()
            self._restart(rows)

    def check_contacts(self) -> None:
        """Refuse what was simulated so far if an engine had too little room for contacts.

        Raises:
            ContactsOverflow: it had.
        """
        if bool(self.engine.health().overflow):
            raise ContactsOverflow(f"task '{self.task.name}': room for contacts ran out")

    def close(self) -> None:
        """Free the engine."""
        self.engine.close()

    # ---- internals

    def _restart(self, rows: Int64[Tensor, " R"]) -> None:
        """Start new episodes in some worlds and write their rows of ``state``."""
        self.episode[rows] += 1
        self.t[rows] = 0
        self._metrics.reset(rows)
        initial = self._starts.take(rows, self.episode)
        self.engine.reset(rows)
        if self.task.randomization:
            self.engine.randomize(scaled_fields(self.task.model, initial.variables), rows)
        self.engine.write("qpos", initial.qpos, rows)
        self.engine.write("qvel", initial.qvel, rows)
        write_mocap(self.engine, initial.mocap, rows)
        self.engine.forward(rows)
        self.state[rows] = self._measurement.restart(rows, initial.variables)


def _engine(task: Task, nworld: int, threads: int | None, choice: EngineChoice) -> Engine:
    """Return the engine that was chosen.

    Raises:
        EngineError: it cannot be had.
    """
    if choice.name == "warp":
        return make_warp(task.model, nworld, choice)
    return _cpu_engine(task, nworld, threads)


def _cpu_engine(task: Task, nworld: int, threads: int | None) -> MujocoBatchEngine:
    """Return an engine that computes no more than the task reads; a single world finds out."""
    probe = MujocoBatchEngine(task.model, 1, 1)
    task.measure(Physics(probe), Quantities(no_variables(task, 1, probe.device)))
    needs_refresh = probe.needs_refresh
    probe.close()
    return MujocoBatchEngine(task.model, nworld, threads, refresh=needs_refresh)
