"""A process that trains SB3's PPO as rl-baselines3-zoo does: ``python -m benchmarks.sb3.zoo``.

Argument: the task. Jobs:

- ``time``: learn on for some seconds; env-steps and seconds;
- ``continue``: go on with a training that is kept in a folder, for some seconds at most; its
  env-steps and wall seconds so far, and its score once it is done.
"""

from __future__ import annotations

import dataclasses
import pickle
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import mujoco
import numpy as np
import torch
from gymnasium.wrappers import TimeLimit
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from benchmarks.learning import returns
from benchmarks.rivals import gymnasium_vec_env
from benchmarks.sb3.processes import Answer, Job, serve
from rewardgen_envs.registry import load_task
from rewardgen_envs.task import Task

N_STEPS = 512
_CHUNK = 20 * N_STEPS
_STATE = mujoco.mjtState.mjSTATE_INTEGRATION


@dataclass(frozen=True)
class ZooSettings:
    """What the zoo tuned for a robot; the names are SB3's."""

    batch_size: int
    gamma: float
    learning_rate: float
    ent_coef: float
    clip_range: float
    n_epochs: int
    gae_lambda: float
    max_grad_norm: float
    vf_coef: float


ZOO = {  # DLR-RM/rl-baselines3-zoo, hyperparams/ppo.yml at 00128b5: HalfCheetah-v3, Hopper-v3
    "half-cheetah/run": ZooSettings(
        batch_size=64,
        gamma=0.98,
        learning_rate=2.0633e-05,
        ent_coef=0.000401762,
        clip_range=0.1,
        n_epochs=20,
        gae_lambda=0.92,
        max_grad_norm=0.8,
        vf_coef=0.58096,
    ),
    "hopper/run": ZooSettings(
        batch_size=32,
        gamma=0.999,
        learning_rate=9.80828e-05,
        ent_coef=0.00229519,
        clip_range=0.2,
        n_epochs=5,
        gae_lambda=0.99,
        max_grad_norm=0.7,
        vf_coef=0.835671,
    ),
}


class Training:
    """One training with the zoo's settings, which can be put aside and gone on with.

    Put aside and gone on with it learns exactly what it would have learned in one go: weights,
    optimizer, normalizer, physics and all random generators are kept.

    Args:
        task: a task that the zoo has settings for.
        seed: of policy and environment.
    """

    def __init__(self, task: Task, seed: int) -> None:
        self.wall_s = 0.0
        settings = ZOO[task.name]
        # n_envs: 1, normalize: true, which passes gamma on
        self._env = VecNormalize(gymnasium_vec_env(task, 1), gamma=settings.gamma)
        self._model = PPO(
            "MlpPolicy",
            self._env,
            n_steps=N_STEPS,
            **dataclasses.asdict(settings),
            policy_kwargs={
                "log_std_init": -2,
                "ortho_init": False,
                "activation_fn": torch.nn.ReLU,
                "net_arch": {"pi": [256, 256], "vf": [256, 256]},
            },
            seed=seed,
            device="cpu",
            verbose=0,
        )

    @property
    def env_steps(self) -> int:
        """Env-steps so far."""
        return self._model.num_timesteps

    @property
    def _base(self) -> TimeLimit:
        """The environment's time limit, and below it Gymnasium's class."""
        return cast(DummyVecEnv, self._env.unwrapped).envs[0]

    def learn(self, env_steps: int) -> None:
        """Learn on, in whole rollouts."""
        start = time.perf_counter()
        self._model.learn(env_steps, reset_num_timesteps=False, log_interval=None)
        self.wall_s += time.perf_counter() - start

    def policy(self) -> Callable[[np.ndarray], np.ndarray]:
        """Return the deterministic policy."""

        def act(observation: np.ndarray) -> np.ndarray:
            normalized = cast(np.ndarray, self._env.normalize_obs(observation))
            return self._model.predict(normalized, deterministic=True)[0]

        return act

    def save(self, folder: Path) -> None:
        """Put it aside."""
        folder.mkdir(parents=True, exist_ok=True)
        data = self._base.unwrapped.data
        physics = np.zeros(mujoco.mj_stateSize(self._base.unwrapped.model, _STATE))
        mujoco.mj_getState(self._base.unwrapped.model, data, physics, _STATE)
        self._model.save(folder / "model.zip")
        self._env.save(str(folder / "normalizer.pkl"))
        state = {
            "wall_s": self.wall_s,
            "physics": physics,
            "elapsed": self._base._elapsed_steps,
            "resets": self._base.unwrapped.np_random.bit_generator.state,
            "returns": self._env.returns,
            "torch": torch.get_rng_state(),
            "numpy": np.random.get_state(),
        }
        (folder / "state.pkl").write_bytes(pickle.dumps(state))

    @classmethod
    def load(cls, task: Task, seed: int, folder: Path) -> Training:
        """Go on with a training; begin one if the folder holds none."""
        training = cls(task, seed)
        if not (folder / "state.pkl").is_file():
            return training
        state = pickle.loads((folder / "state.pkl").read_bytes())
        worlds = gymnasium_vec_env(task, 1)
        training._env = VecNormalize.load(str(folder / "normalizer.pkl"), worlds)
        # seeds everything and resets nothing: what follows puts everything where it was
        training._model = PPO.load(
            folder / "model.zip", training._env, device="cpu", force_reset=False
        )
        worlds.reset()
        base = training._base
        mujoco.mj_setState(base.unwrapped.model, base.unwrapped.data, state["physics"], _STATE)
        base._elapsed_steps = state["elapsed"]
        base.unwrapped.np_random.bit_generator.state = state["resets"]
        training._env.returns = state["returns"]
        training.wall_s = state["wall_s"]
        torch.set_rng_state(state["torch"])
        np.random.set_state(state["numpy"])
        return training


class Worker:
    """Does the jobs of one process.

    Args:
        task: the task.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self._timed: Training | None = None

    def do(self, job: Job) -> Answer:
        """Do a job."""
        if job["do"] == "time":
            return self._time(job["seed"], job["seconds"])
        return self._continue(job["seed"], Path(job["folder"]), job["env_steps"], job["seconds"])

    def _time(self, seed: int, seconds: float) -> Answer:
        if self._timed is None:
            self._timed = Training(self._task, seed)
            self._timed.learn(_CHUNK)  # what happens only once is not timed
        start, before = time.perf_counter(), self._timed.env_steps
        while time.perf_counter() - start < seconds:
            self._timed.learn(N_STEPS)
        return {
            "env_steps": self._timed.env_steps - before,
            "seconds": time.perf_counter() - start,
        }

    def _continue(self, seed: int, folder: Path, env_steps: int, seconds: float) -> Answer:
        start = time.perf_counter()
        training = Training.load(self._task, seed, folder)
        while training.env_steps < env_steps and time.perf_counter() - start < seconds:
            training.learn(min(_CHUNK, env_steps - training.env_steps))
        training.save(folder)
        done = training.env_steps >= env_steps
        return {
            "env_steps": training.env_steps,
            "wall_s": training.wall_s,
            "score": returns(self._task, training.policy()) if done else None,
        }


if __name__ == "__main__":
    torch.set_num_threads(1)
    serve(Worker(load_task(sys.argv[1])).do)
