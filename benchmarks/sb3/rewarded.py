"""Stable-Baselines3's side of a search: environments that a reward file pays.

Both environments take the features of all worlds at once and call the reward once per step, so
that a rival's step costs as little as it can. ``half-cheetah/run`` only.
"""

from __future__ import annotations

from typing import Any, cast

import gymnasium
import mujoco
import numpy as np
import torch

from benchmarks.rivals import BareVecEnv, gymnasium_env
from rewardgen.rewards.code import RewardFunction, compile_reward
from rewardgen.rewards.format import parse_reward
from rewardgen_envs.features import FeatureTable
from rewardgen_envs.simulation import Simulation
from rewardgen_envs.task import Task

FEET = ("bfoot", "ffoot")


class Payment:
    """A reward file as SB3 needs it: numbers per world, without checks and terms.

    Args:
        source: text of the reward file.
        table: features of the task; the code sees the public ones.
    """

    def __init__(self, source: str, table: FeatureTable) -> None:
        self._table = table.public()
        self._function: RewardFunction = compile_reward(parse_reward(source))

    def __call__(
        self, state: torch.Tensor, action: torch.Tensor, next_state: torch.Tensor
    ) -> np.ndarray:
        """Return the reward of B transitions; both states hold the public columns."""
        view = self._table.view
        with torch.inference_mode():
            answer = self._function(view(state), action, view(next_state))
        return cast(tuple[torch.Tensor, object], answer)[0].numpy()


class _Worlds(BareVecEnv):
    """What both environments share: no wrappers, no attributes, a reward that can be exchanged."""

    def __init__(self, task: Task, count: int) -> None:
        self.task = task
        self._actions = np.zeros((count, task.model.nu), dtype=np.float32)
        observation = gymnasium.spaces.Box(-np.inf, np.inf, (task.observation_size,), np.float64)
        action = gymnasium.spaces.Box(-1.0, 1.0, (task.model.nu,), np.float32)
        super().__init__(count, observation, action)

    def pay(self, source: str) -> None:
        """Pay by another reward file from now on."""
        self._payment = Payment(source, self.task.table)

    def step_async(self, actions: np.ndarray) -> None:
        """Keep the actions."""
        self._actions = actions


class GymnasiumWorlds(_Worlds):
    """Gymnasium's own half-cheetahs on the task's scene; only their reward is replaced.

    Features are written into one array from the environments' mjData. Body poses are brought up
    to date by ``mj_kinematics``, which leaves the course of the physics as it is.

    Args:
        task: ``half-cheetah/run``.
        count: number of environments.
    """

    def __init__(self, task: Task, count: int) -> None:
        # unwrapped: the checks of every call and the time limit's own counter cost time
        self._envs = [cast(Any, gymnasium_env(task).unwrapped) for _ in range(count)]
        model, table = task.model, task.table.public()
        self._feet = [mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_GEOM, name) for name in FEET]
        self._radius = model.geom_size[self._feet, 0]
        self._half_length = model.geom_size[self._feet, 1]
        self._height = np.zeros((count, model.ngeom))
        self._axis_z = np.zeros((count, model.ngeom))
        self._x = np.zeros(count)
        self._t = 0
        self._state = np.zeros((count, table.width), dtype=np.float32)
        # the observation is every coordinate but the forward one, as these columns are
        self._observed = slice(
            table.columns("torso_z").start, table.columns("joint_velocities").stop
        )
        self._columns = {name: table.columns(name) for name in table.names}
        super().__init__(task, count)

    def reset(self) -> np.ndarray:
        """Restart all environments."""
        observation = np.stack(
            [env.reset(seed=seed)[0] for env, seed in zip(self._envs, self._seeds, strict=True)]
        )
        self._reset_seeds()
        self._t = 0
        self._x = np.array([env.data.qpos[0] for env in self._envs])
        self._state = self._features(observation, self._x, np.zeros_like(self._actions))
        return observation

    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """Advance all environments; they end at the same step, as they began at the same."""
        actions, before = self._actions, self._x
        observation = np.stack(
            [env.step(action)[0] for env, action in zip(self._envs, actions, strict=True)]
        )
        self._t += 1
        self._x = np.array([env.data.qpos[0] for env in self._envs])
        next_state = self._features(observation, before, actions)
        # a copy: reward code may overwrite what it is given
        given = torch.from_numpy(next_state.copy())
        state, action = torch.from_numpy(self._state), torch.from_numpy(actions.copy())
        reward = self._payment(state, action, given)
        self._state = next_state
        over = self._t >= self.task.episode_steps
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        if over:
            infos = [{"terminal_observation": o, "TimeLimit.truncated": True} for o in observation]
            observation = self.reset()
        return observation, reward, np.full(self.num_envs, over), infos

    def _features(
        self, observation: np.ndarray, before: np.ndarray, actions: np.ndarray
    ) -> np.ndarray:
        """Return the public features (B, F); ``before`` is where the torsos were one step ago."""
        model = self.task.model
        for i, env in enumerate(self._envs):
            mujoco.mj_kinematics(model, env.data)
            self._height[i] = env.data.geom_xpos[:, 2]
            self._axis_z[i] = env.data.geom_xmat[:, 8]
        dt_s, columns = self.task.control_dt_s, self._columns
        features = np.zeros_like(self._state)
        features[:, columns["torso_x"].start] = self._x
        features[:, self._observed] = observation
        features[:, columns["forward_velocity"].start] = (self._x - before) / dt_s
        features[:, columns["foot_heights"]] = (
            self._height[:, self._feet]
            - self._radius
            - np.abs(self._axis_z[:, self._feet]) * self._half_length
        )
        features[:, columns["episode_time_s"].start] = self._t * dt_s
        features[:, columns["last_action"]] = actions
        return features


class BatchWorlds(_Worlds):
    """The project's own simulation, all worlds of which ``mujoco.batch`` steps at once.

    Args:
        task: ``half-cheetah/run``.
        count: number of worlds.
        threads: physics threads.
    """

    def __init__(self, task: Task, count: int, threads: int) -> None:
        self._simulation: Simulation | None = None
        self._threads = threads
        self._width = task.table.public().width
        super().__init__(task, count)

    def reset(self) -> np.ndarray:
        """Restart all worlds."""
        if self._simulation is not None:
            self._simulation.close()
        seed = self._seeds[0] or 0
        self._reset_seeds()
        self._simulation = Simulation(self.task, [seed], self.num_envs, threads=self._threads)
        return self._simulation.observation().numpy().astype(np.float64)

    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """Advance all worlds."""
        simulation = self._simulation
        assert simulation is not None, "call reset() first"
        action = torch.from_numpy(self._actions.copy())
        before = simulation.state
        step = simulation.step(action)
        public = slice(0, self._width)
        state, next_state = before[:, public], step.next_state[:, public]
        reward = self._payment(state.clone(), action, next_state.clone())
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        done = step.ended.numpy()
        if done.any():
            terminal = self.task.observation(self.task.table.view(step.next_state)).numpy()
            for i in np.flatnonzero(done):
                infos[i] = {
                    "terminal_observation": terminal[i].astype(np.float64),
                    "TimeLimit.truncated": bool(step.truncated[i]),
                }
        observation = simulation.observation().numpy().astype(np.float64)
        return observation, reward, done, infos
