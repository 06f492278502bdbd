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

from rewardgen_envs.engines.base import Engine
from rewardgen_envs.engines.mujoco_batch import MujocoBatchEngine
from rewardgen_envs.features import Feature
from rewardgen_envs.finite import finite_rows
from rewardgen_envs.metrics import FitnessTracker
from rewardgen_envs.names import nearest
from rewardgen_envs.physics import Physics
from rewardgen_envs.quantities import Quantities
from rewardgen_envs.starts import Starts
from rewardgen_envs.task import BoxAction, Task, TaskError
from rewardgen_envs.trackers import TrackerState


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


class Simulation:
    """Worlds of P members, N each; world b is world b % N of member b // N.

    Args:
        task: the task.
        seeds: one per member; they key every random number of a reset.
        worlds_per_member: N.
        threads: physics threads; None for one per CPU of this process.
        first_episode: number of the first episode of every world.
        engine: another engine with P * N worlds; None for the CPU engine.

    Raises:
        TaskError: the task's methods do not give what it declares.
        SceneError: the scene does not compile.
    """

    def __init__(
        self,
        task: Task,
        seeds: Sequence[int],
        worlds_per_member: int,
        *,
        threads: int | None = None,
        first_episode: int = 0,
        engine: Engine | None = None,
    ) -> None:
        self.task = task
        self.nworld = len(seeds) * worlds_per_member
        self.engine = engine or _cpu_engine(task, self.nworld, threads)
        device = self.engine.device
        self.world = torch.arange(worlds_per_member, device=device).repeat(len(seeds))
        seed = torch.tensor(list(seeds), device=device).repeat_interleave(worlds_per_member)
        self._starts = Starts(task, seed, self.world)
        self.episode = torch.full((self.nworld,), first_episode - 1, device=device)
        self.t = torch.zeros(self.nworld, dtype=torch.int64, device=device)
        self.state = torch.zeros(self.nworld, task.table.width, device=device)
        self._trackers = TrackerState(task.trackers, task.control_dt_s)
        self._metrics = FitnessTracker(task.metrics, self.nworld, task.episode_steps, device)
        self._variables: dict[str, Tensor] = {}
        self._control_dt_s = task.control_dt_s
        judged = ("terminated", *task.causes)  # filled in after the other features
        self._measured = tuple(feature for feature in task.table if feature.name not in judged)
        self._no_action = self._idle_action()
        self._register_fields()
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
        control = task.actuate(action, task.table.view(self.state))
        self.engine.write("ctrl", control, None)
        self.engine.step(task.decimation)
        self.t += 1
        next_state = self._advance(action)
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

    def close(self) -> None:
        """Free the engine."""
        self.engine.close()

    # ---- internals

    def _idle_action(self) -> Tensor:
        action = self.task.action
        shape = (self.nworld, action.size) if isinstance(action, BoxAction) else (self.nworld,)
        return torch.zeros(shape, device=self.engine.device)

    def _register_fields(self) -> None:
        """Touch every field that the task reads: an engine fills only the fields in use."""
        self._variables = _no_variables(self.task, self.nworld)
        self.task.measure(Physics(self.engine), Quantities(self._variables))

    def _measure(self, rows: Int64[Tensor, " R"] | None) -> dict[str, Tensor]:
        variables, t = self._variables, self.t
        if rows is not None:
            variables, t = {k: v[rows] for k, v in variables.items()}, t[rows]
        measured = self.task.measure(Physics(self.engine, rows), Quantities(variables))
        quantities = {k: _floating(v) for k, v in measured.items()} | variables
        quantities["episode_time_s"] = t.to(torch.float64) * self._control_dt_s
        return quantities

    def _advance(self, action: Tensor) -> Float32[Tensor, "B F"]:
        quantities = self._measure(None)
        quantities |= self._trackers.update(quantities)
        return self._fill(quantities, action)

    def _restart(self, rows: Int64[Tensor, " R"]) -> None:
        """Start new episodes in some worlds and write their rows of ``state``."""
        self.episode[rows] += 1
        self.t[rows] = 0
        self._metrics.reset(rows)
        initial = self._starts.take(rows, self.episode)
        self.engine.reset(rows)
        self.engine.write("qpos", initial.qpos, rows)
        self.engine.write("qvel", initial.qvel, rows)
        for variable in self.task.variables:
            self._variables[variable.name][rows] = initial.variables[variable.name].to(
                torch.float64
            )
        self.engine.forward(rows)
        quantities = self._measure(rows)
        quantities |= self._trackers.reset(rows, quantities, self.nworld)
        self.state[rows] = self._fill(quantities, self._no_action[rows])

    def _fill(self, quantities: dict[str, Tensor], action: Tensor) -> Float32[Tensor, "R F"]:
        """Turn quantities into a new feature tensor, with causes and standard features."""
        task, table, rows = self.task, self.task.table, len(action)
        quantities |= task.derive(Quantities(quantities))
        quantities["last_action"] = action
        data = torch.zeros(rows, table.width, device=action.device)
        for feature in self._measured:
            table.select(data, feature.name).copy_(self._value(feature, quantities, rows))
        ended = torch.zeros(rows, dtype=torch.bool, device=data.device)
        for cause, happened in task.terminations(table.view(data)).items():
            table.select(data, cause).copy_(happened)
            ended |= happened
        table.select(data, "terminated").copy_(ended)
        return data

    def _value(self, feature: Feature, quantities: dict[str, Tensor], rows: int) -> Tensor:
        """Return the values of one feature, (R, *shape).

        Raises:
            TaskError: the task does not compute it, or in another shape.
        """
        value = quantities.get(feature.name)
        if value is None:
            raise TaskError(
                f"task '{self.task.name}': feature '{feature.name}' is declared but neither "
                f"measure() nor derive() returns it{nearest(feature.name, quantities)}"
            )
        if value.shape != (rows, *feature.shape):
            raise TaskError(
                f"task '{self.task.name}': feature '{feature.name}' has shape "
                f"{tuple(value.shape)}, declared is (B, {', '.join(map(str, feature.shape))}) "
                f"with B = {rows}"
            )
        return value


def _cpu_engine(task: Task, nworld: int, threads: int | None) -> MujocoBatchEngine:
    """Return an engine that computes no more than the task reads; a single world finds out."""
    probe = MujocoBatchEngine(task.model, 1, 1)
    task.measure(Physics(probe), Quantities(_no_variables(task, 1)))
    needs_refresh = probe.needs_refresh
    probe.close()
    return MujocoBatchEngine(task.model, nworld, threads, refresh=needs_refresh)


def _no_variables(task: Task, rows: int) -> dict[str, Tensor]:
    return {v.name: torch.zeros(rows, *v.shape, dtype=torch.float64) for v in task.variables}


def _floating(value: Tensor) -> Tensor:
    return value if value.is_floating_point() else value.to(torch.float64)
