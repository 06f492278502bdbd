"""Environments of a worker as a Gymnasium vector environment, with features.

Isaac Gym resets an environment in the step after its end, Isaac Lab within it; Gymnasium has both
(``AutoresetMode``), and ``metadata`` says which. Either way ``last_step`` has the same meaning as
a step of this project's own simulation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray
from torch import Tensor

from rewardgen_envs.adapters.isaac.process import WorkerProcess
from rewardgen_envs.adapters.isaac.rewardgen_worker.protocol import Message
from rewardgen_envs.features import Feature, FeatureTable
from rewardgen_envs.finite import finite_rows
from rewardgen_envs.simulation import Step
from rewardgen_envs.task import BoxAction, DiscreteAction

_MODES = {"next_step": AutoresetMode.NEXT_STEP, "same_step": AutoresetMode.SAME_STEP}
_TEXTS = ("name", "unit", "description")


class IsaacVectorEnv(VectorEnv[np.ndarray, np.ndarray, np.ndarray]):
    """The environments of a simulator in a process of its own.

    ``info`` of each call holds every feature by name, (B, *shape), and ``valid``: False where a
    step belongs to no episode, because it reset the environment, or where the simulation diverged.
    In mode SAME_STEP ``final_obs`` and ``final_info`` hold the true end of episodes.

    Args:
        command: starts the worker: the simulator's Python and a script that calls ``serve``.
        num_envs: how many environments.
        seed: for the simulator.
        options: handed to the worker's ``make``; JSON values.
        start_s: deadline of start, INIT and resets; simulators take minutes.
        step_s: deadline of a step.

    Raises:
        WorkerError: the worker does not start, or answers nonsense.
    """

    def __init__(
        self,
        command: Sequence[str],
        num_envs: int,
        *,
        seed: int = 0,
        options: Mapping[str, Any] | None = None,
        start_s: float = 600.0,
        step_s: float = 60.0,
    ) -> None:
        self.worker = WorkerProcess(command, start_s)
        self._start_s, self._step_s = start_s, step_s
        try:
            given = {"num_envs": num_envs, "seed": seed, "options": dict(options or {})}
            ready = self._expect(self.worker.ask("INIT", given, deadline_s=start_s), "READY")
            self._describe(ready, num_envs)
        except BaseException:
            self.worker.close()
            raise
        self._state: Tensor | None = None
        self._last: Step | None = None
        self._length = torch.zeros(num_envs, dtype=torch.int64)

    def reset(
        self, *, seed: int | Sequence[int] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin an episode everywhere.

        Args:
            seed: for simulators that can be seeded again; Isaac Gym cannot.
            options: none are known.

        Raises:
            WorkerError: the worker does not answer.
            ValueError: one seed per environment, or an unknown option.
        """
        if options or not isinstance(seed, int | None):
            raise ValueError("give one seed for all environments, and no options")
        answer = self._expect(
            self.worker.ask("RESET", {"seed": seed}, deadline_s=self._start_s), "STATE"
        )
        observation, self._state = self._seen(answer, "")
        self._last = None
        self._length = torch.zeros_like(self._length)
        everywhere = np.ones(self.num_envs, dtype=np.bool_)
        return observation, self._info(self._state, everywhere, everywhere)

    def step(
        self, actions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Take one step everywhere.

        Raises:
            WorkerError: the worker does not answer.
            ValueError: the actions are none of these environments; the worker goes on.
        """
        if self._state is None:
            raise gymnasium.error.ResetNeeded("call reset() before step()")
        given = self._given(actions)
        answer = self._expect(
            self.worker.ask("STEP", {}, {"action": given}, deadline_s=self._step_s), "STEPPED"
        )
        after, next_state = self._seen(answer, "")
        start, state = after, next_state
        if "start_features" in answer.arrays:
            start, state = self._seen(answer, "start_")
        terminated, truncated, told = (
            self._rows(answer, name, "bool") for name in ("terminated", "truncated", "valid")
        )
        valid = told & finite_rows(next_state).numpy()
        ended = terminated | truncated | ~valid
        self._length = (self._length + 1) * torch.as_tensor(told)
        self._last = Step(
            state=state,
            next_state=next_state,
            terminated=torch.as_tensor(terminated & valid),
            truncated=torch.as_tensor(truncated & valid),
            valid=torch.as_tensor(valid),
            ended=torch.as_tensor(ended),
            length=self._length,
            fitness={},
        )
        self._state = state
        self._length = self._length * torch.as_tensor(~ended)
        everywhere = np.ones_like(ended)
        info = self._info(state, valid, everywhere)
        if self._same_step and (terminated | truncated).any():
            done = terminated | truncated
            final = np.full(self.num_envs, None, dtype=object)
            for index in np.flatnonzero(done):
                final[index] = after[index]
            info |= {"final_obs": final, "_final_obs": done.copy()}
            info |= {"final_info": self._info(next_state, valid, done), "_final_info": done.copy()}
        return start, self._rows(answer, "reward", "float64"), terminated, truncated, info

    @property
    def last_step(self) -> Step:
        """The last step as the project's own simulation gives it, without a fitness.

        ``next_state`` is the true end of an episode. A step that Isaac Gym spent on a reset is not
        valid, and ``ended``.
        """
        if self._last is None:
            raise gymnasium.error.ResetNeeded("no step was taken since the last reset()")
        return self._last

    @property
    def state(self) -> Tensor:
        """Features where the next step starts, (B, F) in the columns of ``table``."""
        if self._state is None:
            raise gymnasium.error.ResetNeeded("call reset() first")
        return self._state

    def close_extras(self, **kwargs: object) -> None:
        """End the worker."""
        del kwargs
        self.worker.close()

    def _given(self, actions: np.ndarray) -> np.ndarray:
        """Return actions as the worker takes them; what is wrong shall not cost a simulator.

        Raises:
            ValueError: their shape is another, or they are no actions.
        """
        if isinstance(self.action, BoxAction):
            size = self.action.size
            shape, meaning = (self.num_envs, size), f"{size} numbers in [-1, 1] per environment"
            given = np.asarray(actions, np.float32)
            wrong = ~np.isfinite(given)
            problem = "is not finite"
        else:
            count = self.action.count
            shape, meaning = (self.num_envs,), f"a choice of 0 to {count - 1} per environment"
            with np.errstate(invalid="ignore"):
                given = np.asarray(actions).astype(np.int64)
            wrong = (given < 0) | (given >= count) | (given != actions)
            problem = f"is no choice of 0 to {count - 1}"
        if given.shape != shape:
            raise ValueError(f"actions have shape {given.shape}, expected {shape}: {meaning}")
        if wrong.any():
            raise ValueError(f"the action {problem} in environment {np.argwhere(wrong)[0, 0]}")
        return given.clip(-1.0, 1.0) if isinstance(self.action, BoxAction) else given

    # ---- what the worker says

    def _describe(self, ready: Message, num_envs: int) -> None:
        """Take over what INIT was answered with.

        Raises:
            WorkerError: it is no description.
        """
        try:
            fields = ready.fields
            self.table = FeatureTable(_feature(each) for each in fields["features"])
            size, count = int(fields["action_size"]), int(fields["action_count"])
            self.action = BoxAction(size) if size else DiscreteAction(count)
            self.control_dt_s = float(fields["control_dt_s"])
            self.episode_steps = int(fields["episode_steps"])
            mode = _MODES[fields["autoreset"]]
            width = int(fields["observation_size"])
            if min(width, size or count, self.episode_steps, self.table.width) < 1:
                raise ValueError("no observation, action, episode or feature")
        except (KeyError, TypeError, ValueError) as error:
            raise self.worker.give_up(
                f"the worker's answer to INIT is no description: {type(error).__name__}: {error}"
            ) from error
        self.num_envs = num_envs
        self.metadata = {"autoreset_mode": mode, "render_modes": []}
        self.render_mode = None
        self._same_step = mode is AutoresetMode.SAME_STEP
        self._observation_size = width
        one_observation = spaces.Box(-np.inf, np.inf, (width,), np.float32)
        one_action = _action_space(self.action)
        self.single_observation_space = one_observation
        self.single_action_space = one_action
        self.observation_space = batch_space(one_observation, num_envs)
        self.action_space = batch_space(one_action, num_envs)

    def _expect(self, answer: Message, kind: str) -> Message:
        if answer.kind != kind:
            raise self.worker.give_up(f"the worker answered {answer.kind}, not {kind}")
        return answer

    def _seen(self, answer: Message, prefix: str) -> tuple[NDArray[np.float32], Tensor]:
        """Return observation (B, O) and features (B, F) of an answer."""
        width = self._observation_size
        observation = self._array(answer, f"{prefix}observation", (self.num_envs, width))
        features = self._array(answer, f"{prefix}features", (self.num_envs, self.table.width))
        return observation, torch.as_tensor(features)

    def _rows(self, answer: Message, name: str, dtype: str) -> NDArray[Any]:
        return self._array(answer, name, (self.num_envs,), dtype)

    def _array(
        self, answer: Message, name: str, shape: tuple[int, ...], dtype: str = "float32"
    ) -> NDArray[Any]:
        found = answer.arrays.get(name)
        if found is None or found.shape != shape or found.dtype.name != dtype:
            what = "nothing" if found is None else f"{found.dtype.name} {found.shape}"
            raise self.worker.give_up(f"the worker sent {what} as '{name}', not {dtype} {shape}")
        return found

    def _info(
        self, state: Tensor, valid: NDArray[np.bool_], present: NDArray[np.bool_]
    ) -> dict[str, Any]:
        """Return features by name, each with the mask of the environments that have it."""
        view = self.table.view(state)
        values: dict[str, Any] = {
            name: getattr(view, name).numpy().copy() for name in self.table.names
        }
        values["valid"] = valid.copy()
        return values | {f"_{name}": present.copy() for name in values}


def _action_space(action: BoxAction | DiscreteAction) -> spaces.Space[Any]:
    if isinstance(action, BoxAction):
        return spaces.Box(-1.0, 1.0, (action.size,), np.float32)
    return spaces.Discrete(action.count)


def _feature(given: Mapping[str, Any]) -> Feature:
    name, unit, description = (given[key] for key in _TEXTS)
    if not all(isinstance(text, str) and text for text in (name, unit, description)):
        raise ValueError(f"feature {name!r} lacks {', '.join(_TEXTS)}")
    shape = tuple(int(size) for size in given["shape"])
    if not all(size > 0 for size in shape):
        raise ValueError(f"feature {name!r} has shape {shape}")
    return Feature(name, shape, unit, description, private=bool(given["private"]))
