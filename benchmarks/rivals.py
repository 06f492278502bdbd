"""The rivals' side: Stable-Baselines3 on the same compiled scenes.

Two environments: Gymnasium's own class (what SB3's users have), and a lean ``VecEnv`` straight
on ``mujoco.batch`` (the best that SB3 could have).
"""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import Any

import gymnasium
import mujoco
import numpy as np
from mujoco import batch
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from rewardgen_envs.task import Task

CLASSES = {"ant/run": "Ant-v5", "hopper/run": "Hopper-v5", "half-cheetah/run": "HalfCheetah-v5"}


def gymnasium_env(task: Task) -> gymnasium.Env[Any, Any]:
    """Return Gymnasium's class for a task, on the task's own scene and substeps."""
    with tempfile.TemporaryDirectory() as folder:
        scene = Path(folder) / "scene.xml"
        spec = task.scene()
        from rewardgen_envs.scene import compile_scene

        compile_scene(spec, task.name)
        scene.write_text(spec.to_xml(), encoding="utf-8")
        return gymnasium.make(CLASSES[task.name], xml_file=str(scene), frame_skip=task.decimation)


def sb3_ppo(
    env: VecEnv, *, seed: int, rollout: int, gamma: float = 0.99, init_std: float = 1.0
) -> PPO:
    """Return SB3's PPO with its defaults but for quarter minibatches and five epochs.

    Args:
        env: the vector environment.
        seed: of policy and environment.
        rollout: samples per rollout, over all environments.
        gamma: discount factor.
        init_std: standard deviation of actions at the beginning.
    """
    return PPO(
        "MlpPolicy",
        env,
        n_steps=rollout // env.num_envs,
        batch_size=rollout // 4,
        n_epochs=5,
        gamma=gamma,
        policy_kwargs={"log_std_init": math.log(init_std)},
        seed=seed,
        device="cpu",
        verbose=0,
    )


def gymnasium_vec_env(task: Task, count: int) -> VecEnv:
    """Return ``count`` Gymnasium environments in one process."""
    return DummyVecEnv([lambda: gymnasium_env(task) for _ in range(count)])


class BareVecEnv(VecEnv):
    """What SB3 asks of environments that hold no others inside."""

    def close(self) -> None:
        """Nothing to free."""

    def env_is_wrapped(self, wrapper_class: object, indices: object = None) -> list[bool]:
        """No environment is wrapped."""
        return [False] * self.num_envs

    def env_method(self, method_name: str, *args: object, **kwargs: object) -> list[Any]:
        """Refuse: there are no environments inside."""
        raise NotImplementedError(method_name)

    def get_attr(self, attr_name: str, indices: object = None) -> list[Any]:
        """Answer SB3's question for the render mode."""
        return [None] * self.num_envs

    def set_attr(self, attr_name: str, value: object, indices: object = None) -> None:
        """Refuse: there are no environments inside."""
        raise NotImplementedError(attr_name)


class AntBatchVecEnv(BareVecEnv):
    """Gymnasium's Ant on ``mujoco.batch``: observation, reward, termination, auto-reset."""

    def __init__(self, task: Task, count: int, threads: int, seed: int) -> None:
        self._model = task.model
        self._batch = batch.Batch(self._model, count, threads, persistent=True)
        self._substeps = task.decimation
        self._limit = task.episode_steps
        self._dt_s = task.control_dt_s
        self._qpos, self._qvel = self._batch.bind("qpos"), self._batch.bind("qvel")
        self._ctrl, self._cfrc = self._batch.bind("ctrl"), self._batch.bind("cfrc_ext")
        self._xpos = self._batch.bind("xpos")
        self._torso = mujoco.mj_name2id(self._model, mujoco.mjtObj.mjOBJ_BODY, "torso")
        self._rng = np.random.default_rng(seed)
        self._t = np.zeros(count, dtype=np.int64)
        size = self._model.nq - 2 + self._model.nv + 6 * (self._model.nbody - 1)
        observation = gymnasium.spaces.Box(-np.inf, np.inf, (size,), np.float64)
        action = gymnasium.spaces.Box(-1.0, 1.0, (self._model.nu,), np.float32)
        super().__init__(count, observation, action)

    def reset(self) -> np.ndarray:
        """Restart all worlds."""
        self._restart(np.arange(self.num_envs))
        return self._observe()

    def step_async(self, actions: np.ndarray) -> None:
        """Keep the actions."""
        self._ctrl[:] = actions

    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """Advance all worlds."""
        before = self._xpos[:, self._torso, 0].copy()
        self._batch.step(nstep=self._substeps, stage=int(mujoco.mjtStage.mjSTAGE_VEL))
        self._t += 1
        speed = (self._xpos[:, self._torso, 0] - before) / self._dt_s
        height = self._qpos[:, 2]
        finite = np.isfinite(self._qpos).all(1) & np.isfinite(self._qvel).all(1)
        terminated = ~(finite & (height >= 0.2) & (height <= 1.0))
        control_cost = 0.5 * np.square(self._ctrl).sum(1)
        contact_cost = 5e-4 * np.square(np.clip(self._cfrc, -1, 1)).sum((1, 2))
        reward = speed + (~terminated) - control_cost - contact_cost
        truncated = (self._t >= self._limit) & ~terminated
        done = terminated | truncated
        observation = self._observe()
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        ended = np.flatnonzero(done)
        for i in ended:
            infos[i] = {
                "terminal_observation": observation[i],
                "TimeLimit.truncated": bool(truncated[i]),
            }
        if len(ended):
            self._restart(ended)
            observation[ended] = self._observe()[ended]
        return observation, reward.astype(np.float32), done, infos

    def _observe(self) -> np.ndarray:
        forces = np.clip(self._cfrc[:, 1:], -1.0, 1.0).reshape(self.num_envs, -1)
        return np.concatenate([self._qpos[:, 2:], self._qvel, forces], axis=1)

    def _restart(self, ids: np.ndarray) -> None:
        self._batch.reset(ids, stage=int(mujoco.mjtStage.mjSTAGE_NONE))
        noise = self._rng.uniform(-0.1, 0.1, (len(ids), self._model.nq))
        self._qpos[ids] = self._model.qpos0 + noise
        self._qvel[ids] = 0.1 * self._rng.standard_normal((len(ids), self._model.nv))
        self._batch.forward(ids)
        self._t[ids] = 0
