"""Tasks as Gymnasium environments.

Gymnasium resets an environment in a call of its own, a task's simulation resets worlds within the
step. ``TaskEnv`` hides that; ``TaskVectorEnv`` declares it (``AutoresetMode.SAME_STEP``): the
observation after an episode's end is the next episode's first, ``final_obs`` the true last one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium
import mujoco
import numpy as np
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from torch import Tensor

from rewardgen_envs.cameras import chosen
from rewardgen_envs.features import FeatureView
from rewardgen_envs.simulation import Simulation, Step
from rewardgen_envs.task import BoxAction, Task

Reward = Callable[[FeatureView, Tensor, FeatureView], Tensor]
"""(features before, action (B, A) or (B,), features after) → reward (B,)."""

Action = np.ndarray | np.integer[Any] | int

_SEED_LIMIT = 2**31
_FRAME_HEIGHT, _FRAME_WIDTH = 480, 640


def to_gymnasium(
    task: Task, *, reward: Reward | None = None, render_mode: str | None = None
) -> gymnasium.Env[np.ndarray, Action]:
    """Return a task as one environment.

    Args:
        task: the task.
        reward: what a step pays; None for the task's sparse reward.
        render_mode: ``"rgb_array"`` or None.
    """
    return TaskEnv(task, reward or task.sparse_reward, render_mode)


def to_gymnasium_vector(
    task: Task, num_envs: int, *, reward: Reward | None = None, threads: int | None = None
) -> VectorEnv[np.ndarray, np.ndarray, np.ndarray]:
    """Return a task as environments that are stepped together.

    Environment i with seed s sees the episodes of ``to_gymnasium(task)`` with seed s.

    Args:
        task: the task.
        num_envs: how many.
        reward: what a step pays; None for the task's sparse reward.
        threads: physics threads; None for one per CPU of this process.
    """
    return TaskVectorEnv(task, num_envs, reward or task.sparse_reward, threads)


def observation_space(task: Task) -> spaces.Box:
    """Return the space of a task's observations."""
    return spaces.Box(-np.inf, np.inf, (task.observation_size,), np.float32)


def action_space(task: Task) -> spaces.Space[Any]:
    """Return the space of a task's actions."""
    action = task.action
    if isinstance(action, BoxAction):
        return spaces.Box(-1.0, 1.0, (action.size,), np.float32)
    return spaces.Discrete(action.count)


class _Worlds:
    """A simulation with one world per seed, in NumPy."""

    def __init__(
        self,
        task: Task,
        reward: Reward,
        seeds: Sequence[int],
        threads: int | None,
    ) -> None:
        self.task = task
        self.simulation = Simulation(task, seeds, 1, threads=threads)
        self._reward = reward

    def restart(self) -> None:
        """Begin a new episode in every world."""
        self.simulation.restart(torch.ones(self.simulation.nworld, dtype=torch.bool))

    def observation(self) -> np.ndarray:
        """Return what is seen now, (B, O)."""
        return self.simulation.observation().numpy().copy()

    def features(self, state: Tensor) -> dict[str, np.ndarray]:
        """Return all features by name, (B, *shape)."""
        view = self.task.table.view(state)
        return {name: getattr(view, name).numpy().copy() for name in self.task.table.names}

    def step(self, action: np.ndarray) -> tuple[Step, np.ndarray, np.ndarray, Tensor]:
        """Take one step; return it, last observations, rewards, and features (B, F) before resets.

        A world that diverged keeps the observation and features of before, and pays nothing.
        """
        given = torch.as_tensor(action)
        if isinstance(self.task.action, BoxAction):
            given = given.to(torch.float32).clamp(-1.0, 1.0)
        else:
            given = given.to(torch.int64)
        before, view = self.simulation.state, self.task.table.view
        step = self.simulation.step(given)
        after = torch.where(step.valid.unsqueeze(1), step.next_state, before)
        reward = self._reward(view(before), given, view(after)) * step.valid
        last = self.task.observation(view(after)).numpy().copy()
        return step, last, reward.numpy().astype(np.float64), after


class TaskEnv(gymnasium.Env[np.ndarray, Action]):
    """One world of a task; ``info`` holds the features and whether the simulation diverged."""

    def __init__(self, task: Task, reward: Reward, render_mode: str | None) -> None:
        self.metadata = {
            "render_modes": ["rgb_array"],
            "render_fps": round(1.0 / task.control_dt_s),
        }
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise ValueError(f"unknown render_mode {render_mode!r}; valid: None, 'rgb_array'")
        self.task = task
        self.render_mode = render_mode
        self.observation_space = observation_space(task)
        self.action_space = action_space(task)
        self._reward = reward
        self._worlds: _Worlds | None = None
        self._ended = False
        self._renderer: mujoco.Renderer | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin an episode; a seed begins the sequence of episodes that belongs to it."""
        del options
        super().reset(seed=seed)
        if seed is not None or self._worlds is None:
            first = int(self.np_random.integers(_SEED_LIMIT)) if seed is None else seed
            self._worlds = _Worlds(self.task, self._reward, [first], 1)
        elif not self._ended:  # else the last step has begun the next episode
            self._worlds.restart()
        self._ended = False
        return self._worlds.observation()[0], self._info(self._worlds.simulation.state, False)

    def step(self, action: Action) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Take one control step."""
        worlds = self._running()
        step, last, reward, after = worlds.step(np.asarray(action)[None])
        self._ended = bool(step.ended[0])
        diverged = not bool(step.valid[0])
        truncated = bool(step.truncated[0]) or diverged
        info = self._info(after, diverged)
        return last[0], float(reward[0]), bool(step.terminated[0]), truncated, info

    def render(self) -> np.ndarray | None:
        """Return the current frame, (480, 640, 3) uint8, or None without a render mode."""
        if self.render_mode is None:
            return None
        worlds = self._running()
        if self._renderer is None:
            self._renderer = mujoco.Renderer(self.task.model, _FRAME_HEIGHT, _FRAME_WIDTH)
        view = chosen(self.task.views, None)
        self._renderer.update_scene(worlds.simulation.engine.snapshot(0), view)
        return self._renderer.render().copy()

    def close(self) -> None:
        """Free the simulation and the renderer."""
        if self._worlds is not None:
            self._worlds.simulation.close()
            self._worlds = None
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None

    def _running(self) -> _Worlds:
        if self._worlds is None:
            raise gymnasium.error.ResetNeeded("call reset() before step() or render()")
        return self._worlds

    def _info(self, state: Tensor, diverged: bool) -> dict[str, Any]:
        assert self._worlds is not None
        features = self._worlds.features(state)
        return {**{name: value[0] for name, value in features.items()}, "diverged": diverged}


class TaskVectorEnv(VectorEnv[np.ndarray, np.ndarray, np.ndarray]):
    """Worlds of a task, reset within the step that ends their episode."""

    def __init__(self, task: Task, num_envs: int, reward: Reward, threads: int | None) -> None:
        self.metadata = {"autoreset_mode": AutoresetMode.SAME_STEP, "render_modes": []}
        self.task = task
        self.num_envs = num_envs
        self.render_mode = None
        one_observation, one_action = observation_space(task), action_space(task)
        self.single_observation_space = one_observation
        self.single_action_space = one_action
        self.observation_space = batch_space(one_observation, num_envs)
        self.action_space = batch_space(one_action, num_envs)
        self._reward = reward
        self._threads = threads
        self._worlds: _Worlds | None = None

    def reset(
        self,
        *,
        seed: int | Sequence[int] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin an episode everywhere.

        Args:
            seed: one per environment; or the first one's, the others count on from it; or None
                to go on with the sequences of episodes.
            options: none are known.

        Raises:
            ValueError: not one seed per environment, or an unknown option.
        """
        if options:
            raise ValueError(f"unknown reset options {sorted(options)}; there are none")
        if seed is None and self._worlds is not None:
            self._worlds.restart()
        else:
            self._worlds = _Worlds(self.task, self._reward, self._seeds(seed), self._threads)
        everywhere = np.ones(self.num_envs, dtype=np.bool_)
        state = self._worlds.simulation.state
        return self._worlds.observation(), self._info(state, ~everywhere, everywhere)

    def step(
        self, actions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Take one control step everywhere; the observations are those after the resets."""
        if self._worlds is None:
            raise gymnasium.error.ResetNeeded("call reset() before step()")
        step, last, reward, after = self._worlds.step(np.asarray(actions))
        diverged, ended = ~step.valid.numpy(), step.ended.numpy()
        info = self._info(step.state, np.zeros_like(diverged), np.ones_like(ended))
        if ended.any():
            final = np.full(self.num_envs, None, dtype=object)
            for index in np.flatnonzero(ended):
                final[index] = last[index]
            info |= {"final_obs": final, "_final_obs": ended.copy()}
            info |= {"final_info": self._info(after, diverged, ended), "_final_info": ended.copy()}
        truncated = step.truncated.numpy() | diverged
        return self._worlds.observation(), reward, step.terminated.numpy(), truncated, info

    def close_extras(self, **kwargs: object) -> None:
        """Free the simulation."""
        del kwargs
        if self._worlds is not None:
            self._worlds.simulation.close()
            self._worlds = None

    def _seeds(self, seed: int | Sequence[int] | None) -> list[int]:
        if seed is None:
            drawn = np.random.default_rng().integers(_SEED_LIMIT, size=self.num_envs)
            return [int(s) for s in drawn]
        if isinstance(seed, int):
            return [seed + i for i in range(self.num_envs)]
        if len(seed) != self.num_envs:
            raise ValueError(f"{len(seed)} seeds for {self.num_envs} environments")
        return list(seed)

    def _info(self, state: Tensor, diverged: np.ndarray, present: np.ndarray) -> dict[str, Any]:
        """Return features by name, each with the mask of the environments that have it."""
        assert self._worlds is not None
        values = {**self._worlds.features(state), "diverged": diverged.copy()}
        return values | {f"_{name}": present.copy() for name in values}
