"""A task's features in a Gymnasium environment that steps its own mjData.

The environment's data is copied, never touched: its physics goes on as if nobody looked on.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from typing import Any, cast

import gymnasium
import mujoco
import numpy as np
import torch
from gymnasium import spaces
from jaxtyping import Float32
from numpy.typing import NDArray
from torch import Tensor

from rewardgen_envs.adapters.scene_match import scene_differences
from rewardgen_envs.engines.mujoco_data import MujocoDataEngine
from rewardgen_envs.errors import UsageError
from rewardgen_envs.measurement import Measurement
from rewardgen_envs.task import BoxAction, Task

Environment = gymnasium.Env[Any, Any]
Variables = Callable[[Environment], Mapping[str, Any]]
"""The environment after a reset → the task's per-episode variables by name, *shape each."""


class UnsuitableEnvironmentError(UsageError):
    """A task's features cannot be computed in an environment; says what is missing."""


class EnvironmentFeatures:
    """Computes a task's features from an environment's own mjData.

    They are those of the task's simulation: positions and velocities describe the state after
    the step, contact forces the last substep. Time and trackers go by the environment's control
    step. ``terminated`` is the environment's verdict, as it is what ends its episodes; the causes
    of termination are the task's.

    Args:
        env: an environment whose ``unwrapped`` has ``model``, ``data`` and ``dt``.
        task: the task.
        variables: gives the per-episode variables of a task that has some.

    Raises:
        UnsuitableEnvironmentError: it has no mjData, its model lacks what the task reads, its
            actions are not the task's, or the task's variables are not given.
    """

    def __init__(self, env: Environment, task: Task, variables: Variables | None = None) -> None:
        self._env = env
        self._variables = variables
        self._control_dt_s = _control_step(env)
        self._task = copy.copy(task)
        self._task.control_dt_s = self._control_dt_s
        self._low, self._high = _action_bounds(env, task)
        declared = [variable.name for variable in task.variables]
        if declared and variables is None:
            raise UnsuitableEnvironmentError(
                f"task '{task.name}' draws {', '.join(declared)} per episode, which {_name(env)} "
                "knows nothing of: pass variables=, a function of the environment that returns "
                "them by name"
            )
        self._attach()

    def restart(self) -> Float32[Tensor, "1 F"]:
        """Return the features after the environment's reset.

        Raises:
            UnsuitableEnvironmentError: the environment has changed its model to another robot's,
                or the variables that were given are not the task's.
        """
        if _model_and_data(self._env)[0] is not self._model:  # some build a new one per episode
            self._attach()
        _, data = _model_and_data(self._env)
        mujoco.mj_copyData(self._private, self._model, data)
        mujoco.mj_forward(self._model, self._private)
        self._refresh()
        self._t = torch.zeros(1, dtype=torch.int64)
        self._time_s = data.time
        return self._measurement.restart(self._t, self._drawn())

    def advance(self, action: Float32[Tensor, "1 A"], terminated: bool) -> Float32[Tensor, "1 F"]:
        """Return the features after the environment's step.

        Args:
            action: as ``applied`` returns it.
            terminated: what the environment's step returned.

        Raises:
            UnsuitableEnvironmentError: the first step of an episode took another time than the
                environment says its control step is.
        """
        _, data = _model_and_data(self._env)
        self._check_time(data)
        mujoco.mj_copyData(self._private, self._model, data)
        self._refresh()
        self._t += 1
        features = self._measurement.advance(action, self._t)
        self._task.table.select(features, "terminated").fill_(float(terminated))
        return features

    def applied(self, action: NDArray[Any]) -> Float32[Tensor, "1 A"]:
        """Return an action of the environment as the task has it: clipped, in [-1, 1]."""
        given = torch.as_tensor(np.asarray(action), dtype=torch.float64)
        unit = 2.0 * (given - self._low) / (self._high - self._low) - 1.0
        return unit.clamp(-1.0, 1.0).to(torch.float32).unsqueeze(0)

    def _attach(self) -> None:
        self._model, _ = _model_and_data(self._env)
        differences = scene_differences(self._task, self._model)
        if differences:
            raise UnsuitableEnvironmentError(
                f"the model of {_name(self._env)} is not that of task '{self._task.name}': "
                f"{'; '.join(differences)}"
            )
        self._private = mujoco.MjData(self._model)
        self._engine = MujocoDataEngine(self._model, self._private)
        self._forces = any(feature.needs_acceleration for feature in self._task.features)
        self._measurement = Measurement(self._task, self._engine)

    def _refresh(self) -> None:
        """Compute the derived fields of the private copy."""
        if self._forces:  # of the last substep; many scenes have no sensor that asks for them
            mujoco.mj_rnePostConstraint(self._model, self._private)
        self._engine.refresh()

    def _check_time(self, data: mujoco.MjData) -> None:
        elapsed = data.time - self._time_s
        if not self._t.item() and not math.isclose(elapsed, self._control_dt_s, rel_tol=1e-6):
            raise UnsuitableEnvironmentError(
                f"a step of {_name(self._env)} took {elapsed:.6g} s of simulation, its control "
                f"step is {self._control_dt_s:.6g} s: wrappers that repeat actions belong outside"
            )

    def _drawn(self) -> dict[str, Tensor]:
        given: Mapping[str, Any] = {}
        if self._variables is not None:
            given = self._variables(self._env) or {}
        drawn: dict[str, Tensor] = {}
        for variable in self._task.variables:
            values = np.asarray(given.get(variable.name, np.nan), dtype=np.float64)
            if values.shape != variable.shape or not np.isfinite(values).all():
                raise UnsuitableEnvironmentError(
                    f"variables= gives no finite '{variable.name}' of shape {variable.shape}"
                )
            drawn[variable.name] = torch.as_tensor(values).unsqueeze(0)
        return drawn


def _model_and_data(env: Environment) -> tuple[mujoco.MjModel, mujoco.MjData]:
    base: object = env.unwrapped
    model, data = getattr(base, "model", None), getattr(base, "data", None)
    if not isinstance(model, mujoco.MjModel) or not isinstance(data, mujoco.MjData):
        raise UnsuitableEnvironmentError(
            f"{_name(env)} has no mujoco.MjModel and mujoco.MjData as unwrapped.model and "
            "unwrapped.data, as Gymnasium's MuJoCo environments do"
        )
    return model, data


def _control_step(env: Environment) -> float:
    _model_and_data(env)
    seconds: object = getattr(env.unwrapped, "dt", None)
    if not isinstance(seconds, float | int) or not seconds > 0.0:
        raise UnsuitableEnvironmentError(
            f"{_name(env)} does not say its control step: unwrapped.dt, in seconds, is {seconds!r}"
        )
    return float(seconds)


def _action_bounds(env: Environment, task: Task) -> tuple[Tensor, Tensor]:
    space: object = env.action_space
    if not isinstance(task.action, BoxAction):
        raise UnsuitableEnvironmentError(
            f"task '{task.name}' has discrete actions, of which an environment's mjData knows "
            "nothing"
        )
    if not isinstance(space, spaces.Box) or space.shape != (task.action.size,):
        raise UnsuitableEnvironmentError(
            f"the actions of {_name(env)} are {space}, those of task '{task.name}' "
            f"{task.action.size} numbers"
        )
    box = cast("spaces.Box[Any]", space)
    low = torch.as_tensor(box.low, dtype=torch.float64)
    high = torch.as_tensor(box.high, dtype=torch.float64)
    if not bool((torch.isfinite(low) & torch.isfinite(high) & (low < high)).all()):
        raise UnsuitableEnvironmentError(
            f"the actions of {_name(env)} have no finite bounds, so they cannot be scaled to "
            "[-1, 1]; wrappers that take the bounds away belong outside"
        )
    return low, high


def _name(env: Environment) -> str:
    return env.spec.id if env.spec is not None else type(env.unwrapped).__name__
