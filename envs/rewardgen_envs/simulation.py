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

from rewardgen_envs.draw import Draw
from rewardgen_envs.engines.base import Engine
from rewardgen_envs.engines.mujoco_batch import MujocoBatchEngine
from rewardgen_envs.metrics import FitnessTracker
from rewardgen_envs.names import nearest
from rewardgen_envs.physics import Physics
from rewardgen_envs.quantities import Quantities
from rewardgen_envs.task import BoxAction, Initial, Task, TaskError
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
        self.engine = engine or MujocoBatchEngine(task.model, self.nworld, threads)
        device = self.engine.device
        self.world = torch.arange(worlds_per_member, device=device).repeat(len(seeds))
        self._seed = torch.tensor(list(seeds), device=device).repeat_interleave(worlds_per_member)
        self.episode = torch.full((self.nworld,), first_episode - 1, device=device)
        self.t = torch.zeros(self.nworld, dtype=torch.int64, device=device)
        self.state = torch.zeros(self.nworld, task.table.width, device=device)
        self._trackers = TrackerState(task.trackers, task.control_dt_s)
        self._metrics = FitnessTracker(task.metrics, self.nworld, task.episode_steps, device)
        self._variables: dict[str, Tensor] = {}
        self._no_action = self._idle_action()
        self._register_fields()
        self._restart(torch.ones(self.nworld, dtype=torch.bool, device=device))

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
        valid = torch.isfinite(next_state).all(1) & ~self.engine.health().diverged
        view = task.table.view(next_state)
        terminated = (view.terminated > 0.5) & valid
        truncated = (self.t >= task.episode_steps) & ~terminated & valid
        ended = terminated | truncated | ~valid
        self._metrics.update(task.fitness(view))
        length = self.t.clone()
        # copies: a step's results stay as they are when the simulation goes on
        self.state = next_state
        fitness: dict[str, Tensor] = {}
        if bool(ended.any()):
            fitness = self._metrics.result(length, terminated)
            self.state = next_state.clone()
            self._restart(ended)
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
        self._variables = {
            v.name: torch.zeros(self.nworld, *v.shape, dtype=torch.float64)
            for v in self.task.variables
        }
        self.task.measure(Physics(self.engine), Quantities(self._variables))

    def _measure(self, rows: Int64[Tensor, " R"] | None) -> dict[str, Tensor]:
        variables = (
            self._variables if rows is None else {k: v[rows] for k, v in self._variables.items()}
        )
        measured = self.task.measure(Physics(self.engine, rows), Quantities(variables))
        return {**{k: v.to(torch.float64) for k, v in measured.items()}, **variables}

    def _advance(self, action: Tensor) -> Float32[Tensor, "B F"]:
        quantities = self._measure(None)
        quantities |= self._trackers.update(quantities)
        return self._fill(quantities, action, self.t)

    def _restart(self, mask: Bool[Tensor, " B"]) -> None:
        """Start new episodes in the masked worlds and write their rows of ``state``."""
        rows = mask.nonzero()[:, 0]
        self.episode += mask
        self.t.masked_fill_(mask, 0)
        self._metrics.reset(mask)
        draw = Draw(self._seed[rows], self.world[rows], self.episode[rows])
        initial = self.task.reset(torch.ones_like(rows, dtype=torch.bool), draw)
        self._check_initial(initial, len(rows))
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
        self.state[rows] = self._fill(quantities, self._no_action[rows], self.t[rows])

    def _fill(
        self, quantities: dict[str, Tensor], action: Tensor, t: Int64[Tensor, " R"]
    ) -> Float32[Tensor, "R F"]:
        """Turn quantities into a new feature tensor, with causes and standard features."""
        task, table = self.task, self.task.table
        quantities |= task.derive(Quantities(quantities))
        quantities["last_action"] = action
        quantities["episode_time_s"] = t * task.control_dt_s
        data = torch.zeros(len(t), table.width, device=t.device)
        for feature in table:
            if feature.name in task.causes or feature.name == "terminated":
                continue
            self._write_feature(data, feature.name, quantities)
        ended = torch.zeros(len(t), dtype=torch.bool, device=t.device)
        for cause, happened in task.terminations(table.view(data)).items():
            data[:, table.columns(cause).start] = happened.to(torch.float32)
            ended |= happened
        data[:, table.columns("terminated").start] = ended.to(torch.float32)
        return data

    def _write_feature(self, data: Tensor, name: str, quantities: dict[str, Tensor]) -> None:
        feature, columns = self.task.table[name], self.task.table.columns(name)
        if name not in quantities:
            raise TaskError(
                f"task '{self.task.name}': feature '{name}' is declared but neither measure() "
                f"nor derive() returns it{nearest(name, quantities)}"
            )
        value, rows = quantities[name], data.shape[0]
        if tuple(value.shape) != (rows, *feature.shape):
            raise TaskError(
                f"task '{self.task.name}': feature '{name}' has shape {tuple(value.shape)}, "
                f"declared is (B, {', '.join(map(str, feature.shape))}) with B = {rows}"
            )
        data[:, columns] = value.reshape(rows, -1).to(torch.float32)

    def _check_initial(self, initial: Initial, rows: int) -> None:
        model, task = self.task.model, self.task
        expected = {"qpos": (rows, model.nq), "qvel": (rows, model.nv)}
        given = {"qpos": initial.qpos, "qvel": initial.qvel}
        for variable in task.variables:
            if variable.name not in initial.variables:
                raise TaskError(f"task '{task.name}': reset() draws no '{variable.name}'")
            expected[variable.name] = (rows, *variable.shape)
            given[variable.name] = initial.variables[variable.name]
        for name, shape in expected.items():
            if tuple(given[name].shape) != shape:
                raise TaskError(
                    f"task '{task.name}': reset() gives '{name}' of shape "
                    f"{tuple(given[name].shape)}, expected {shape}"
                )
