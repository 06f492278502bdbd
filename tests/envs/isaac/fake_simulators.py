"""A worker like those of Isaac, but MuJoCo simulates: started as a script, by this Python.

``vec_task`` behaves as a ``VecTask`` of IsaacGymEnvs does, ``direct_env`` as a ``DirectRLEnv`` of
Isaac Lab: the worker's own modules drive them, through the calls that they would make there.
"""

from __future__ import annotations

import os
import sys
from types import SimpleNamespace
from typing import Any

import torch
from rewardgen_worker.direct_env import DirectEnvSimulator
from rewardgen_worker.serve import Feature, Simulator, serve
from rewardgen_worker.vec_task import VecTaskSimulator
from torch import Tensor

from rewardgen_envs.cartpole.balance import Balance
from rewardgen_envs.engines.mujoco_batch import MujocoBatchEngine
from rewardgen_envs.measurement import Measurement
from rewardgen_envs.starts import Starts

EPISODE_STEPS = 30


class ShortBalance(Balance):
    """Some episodes fall, some last to the end."""

    name = "test/short-balance"
    episode_s = EPISODE_STEPS * 0.04


class Worlds:
    """What simulators do under whatever interface: move all, reset some."""

    def __init__(self, num_envs: int, seed: int) -> None:
        self.task = ShortBalance()
        self.engine = MujocoBatchEngine(self.task.model, num_envs, 1)
        self.measurement = Measurement(self.task, self.engine)
        world = torch.arange(num_envs)
        self.starts = Starts(self.task, torch.full((num_envs,), seed), world)
        self.episode = torch.full((num_envs,), -1)
        self.state = torch.zeros(num_envs, self.task.table.width)

    def move(self, action: Tensor, t: Tensor) -> None:
        action = action.clamp(-1.0, 1.0)
        view = self.task.table.view(self.state)
        self.engine.write("ctrl", self.task.actuate(action, view), None)
        self.engine.step(self.task.decimation)
        self.state = self.measurement.advance(action, t)

    def restart(self, rows: Tensor) -> None:
        self.episode[rows] += 1
        initial = self.starts.take(rows, self.episode)
        self.engine.reset(rows)
        self.engine.write("qpos", initial.qpos, rows)
        self.engine.write("qvel", initial.qvel, rows)
        self.engine.forward(rows)
        self.state[rows] = self.measurement.restart(rows, initial.variables)

    @property
    def observation(self) -> Tensor:
        return self.task.observation(self.task.table.view(self.state))

    @property
    def fallen(self) -> Tensor:
        return self.task.table.view(self.state).terminated > 0.5


class FakeVecTask:
    """Order and buffers of IsaacGymEnvs: resets come first in the step after the end."""

    def __init__(self, num_envs: int, seed: int) -> None:
        self.worlds = Worlds(num_envs, seed)
        self.num_envs, self.num_obs, self.num_actions = num_envs, 5, 1
        self.sim_params, self.control_freq_inv = SimpleNamespace(dt=0.01), 4
        self.max_episode_length = EPISODE_STEPS + 1  # they end one step before it
        self.obs_buf = torch.zeros(num_envs, 5)
        self.reset_buf = torch.ones(num_envs, dtype=torch.long)
        self.progress_buf = torch.zeros(num_envs, dtype=torch.long)

    def step(self, actions: Tensor) -> tuple[dict[str, Tensor], Tensor, Tensor, dict[str, Any]]:
        self.progress_buf += 1
        self.worlds.move(actions, self.progress_buf)
        rows = self.reset_buf.nonzero(as_tuple=False).squeeze(-1)
        if len(rows):
            self.worlds.restart(rows)
            self.progress_buf[rows] = 0
        self.obs_buf[:] = self.worlds.observation
        late = self.progress_buf >= self.max_episode_length - 1
        self.reset_buf = (self.worlds.fallen | late).long()
        late = late & (self.reset_buf != 0)
        os.write(1, b"simulators print much")  # which must do no harm
        return {"obs": self.obs_buf}, self.obs_buf[:, 2], self.reset_buf, {"time_outs": late}


class FakeDirectEnv:
    """Order and buffers of Isaac Lab: resets come last, within the step that ends an episode."""

    def __init__(self, num_envs: int, seed: int) -> None:
        self.worlds = Worlds(num_envs, seed)
        self.num_envs, self.step_dt = num_envs, 0.04
        self.max_episode_length = EPISODE_STEPS
        self.single_observation_space = {"policy": torch.zeros(5)}
        self.single_action_space = torch.zeros(1)
        self.episode_length_buf = torch.zeros(num_envs, dtype=torch.long)

    def reset(self, seed: int | None = None) -> tuple[dict[str, Tensor], dict[str, Any]]:
        if seed is not None:
            self.worlds = Worlds(self.num_envs, seed)
        self._reset_idx(torch.arange(self.num_envs))
        return self._get_observations(), {}

    def step(self, actions: Tensor) -> tuple[Any, ...]:
        self.episode_length_buf += 1
        self.worlds.move(actions, self.episode_length_buf)
        terminated = self.worlds.fallen
        late = self.episode_length_buf >= self.max_episode_length
        reward = self.worlds.observation[:, 2].clone()
        rows = (terminated | late).nonzero(as_tuple=False).squeeze(-1)
        if len(rows):
            self._reset_idx(rows)
        return self._get_observations(), reward, terminated, late, {}

    def close(self) -> None:
        os.write(1, b"closed")

    def _get_observations(self) -> dict[str, Tensor]:
        return {"policy": self.worlds.observation}

    def _reset_idx(self, env_ids: Tensor) -> None:
        self.worlds.restart(env_ids)
        self.episode_length_buf[env_ids] = 0


def features(simulator: FakeVecTask | FakeDirectEnv) -> dict[str, Tensor]:
    worlds = simulator.worlds
    return {f.name: worlds.task.table.select(worlds.state, f.name) for f in worlds.task.table}


def make(num_envs: int, seed: int, options: dict[str, Any]) -> Simulator:
    torch.set_num_threads(1)
    table = [
        Feature(f.name, f.shape, f.unit, f.description, f.private) for f in ShortBalance().table
    ]
    if options.get("broken"):
        raise RuntimeError("no GPU was found")
    if options["kind"] == "vec_task":
        return VecTaskSimulator(FakeVecTask(num_envs, seed), table, features)
    return DirectEnvSimulator(FakeDirectEnv(num_envs, seed), table, features)


if __name__ == "__main__":
    sys.exit(serve(make))
