"""Features of a batch of worlds: what a task measures, its trackers, time, causes of an end.

Knows neither who moves the worlds nor when episodes end; ``simulation.py`` does, and so does
whoever looks on at physics that belongs to somebody else.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from rewardgen_envs.engines.base import Engine
from rewardgen_envs.features import Feature
from rewardgen_envs.names import nearest
from rewardgen_envs.physics import Physics
from rewardgen_envs.quantities import Quantities
from rewardgen_envs.task import BoxAction, Task, TaskError
from rewardgen_envs.trackers import TrackerState


class Measurement:
    """Turns what an engine holds into features, with the memory of the task's trackers.

    Args:
        task: the task.
        engine: its worlds.

    Raises:
        TaskError: the task's methods do not give what it declares.
    """

    def __init__(self, task: Task, engine: Engine) -> None:
        self._task = task
        self._engine = engine
        self._trackers = TrackerState(task.trackers, task.control_dt_s)
        self._control_dt_s = task.control_dt_s
        judged = ("terminated", *task.causes)  # filled in after the other features
        self._measured = tuple(feature for feature in task.table if feature.name not in judged)
        self._variables = no_variables(task, engine.nworld, engine.device)
        # touch every field that the task reads: an engine fills only the fields in use
        task.measure(Physics(engine), Quantities(self._variables))

    def restart(
        self, rows: Int64[Tensor, " R"], variables: Mapping[str, Tensor]
    ) -> Float32[Tensor, "R F"]:
        """Return the features of worlds that begin an episode in their present state.

        Args:
            rows: the worlds.
            variables: their per-episode values, (R, *shape) each.
        """
        for variable in self._task.variables:
            values = variables[variable.name].to(torch.float64)
            self._variables[variable.name][rows] = values
        quantities = self._measure(rows, torch.zeros_like(rows))
        quantities |= self._trackers.reset(rows, quantities, self._engine.nworld)
        return self._fill(quantities, self._idle_action(len(rows)))

    def advance(self, action: Tensor, t: Int64[Tensor, " B"]) -> Float32[Tensor, "B F"]:
        """Return the features of all worlds after a control step.

        Args:
            action: what was applied.
            t: control steps of each world's episode so far, this one included.
        """
        quantities = self._measure(None, t)
        quantities |= self._trackers.update(quantities)
        return self._fill(quantities, action)

    def _idle_action(self, rows: int) -> Tensor:
        action = self._task.action
        shape = (rows, action.size) if isinstance(action, BoxAction) else (rows,)
        return torch.zeros(shape, device=self._engine.device)

    def _measure(
        self, rows: Int64[Tensor, " R"] | None, t: Int64[Tensor, " R"]
    ) -> dict[str, Tensor]:
        variables = self._variables
        if rows is not None:
            variables = {name: values[rows] for name, values in variables.items()}
        measured = self._task.measure(Physics(self._engine, rows), Quantities(variables))
        quantities = {name: _floating(values) for name, values in measured.items()} | variables
        quantities["episode_time_s"] = t.to(torch.float64) * self._control_dt_s
        return quantities

    def _fill(self, quantities: dict[str, Tensor], action: Tensor) -> Float32[Tensor, "R F"]:
        """Turn quantities into a new feature tensor, with causes and standard features."""
        task, table, rows = self._task, self._task.table, len(action)
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
                f"task '{self._task.name}': feature '{feature.name}' is declared but neither "
                f"measure() nor derive() returns it{nearest(feature.name, quantities)}"
            )
        if value.shape != (rows, *feature.shape):
            raise TaskError(
                f"task '{self._task.name}': feature '{feature.name}' has shape "
                f"{tuple(value.shape)}, declared is (B, {', '.join(map(str, feature.shape))}) "
                f"with B = {rows}"
            )
        return value


def no_variables(task: Task, rows: int, device: torch.device) -> dict[str, Tensor]:
    """Return zeros, (R, *shape) for each per-episode variable of a task."""
    return {
        v.name: torch.zeros(rows, *v.shape, dtype=torch.float64, device=device)
        for v in task.variables
    }


def _floating(value: Tensor) -> Tensor:
    return value if value.is_floating_point() else value.to(torch.float64)
