"""A process that trains SB3's PPO on reward files: ``python -m benchmarks.sb3.rewards``.

Arguments: ``gymnasium`` or ``batch``, and the number of environments. Jobs:

- ``time``: learn for some seconds on a reward; env-steps and seconds;
- ``train``: train on a reward and evaluate once; wall seconds, env-steps, fitness.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

import numpy as np
import torch
from stable_baselines3 import PPO

from benchmarks.harness import recipe_of
from benchmarks.rivals import gymnasium_env, sb3_ppo
from benchmarks.sb3.processes import Answer, Job, serve
from benchmarks.sb3.rewarded import BatchWorlds, GymnasiumWorlds
from rewardgen_envs.registry import load_task
from rewardgen_envs.task import Task

TASK = "half-cheetah/run"
ROLLOUT = 2_048
"""Samples per update, over all environments: as many as a member of ours has."""


class Trainer:
    """SB3 in one kind of environment.

    Args:
        kind: ``gymnasium`` or ``batch``.
        count: number of environments.
    """

    def __init__(self, kind: str, count: int) -> None:
        self._task = load_task(TASK)
        self._recipe = recipe_of(self._task)
        self._worlds = (
            GymnasiumWorlds(self._task, count)
            if kind == "gymnasium"
            else BatchWorlds(self._task, count, threads=1)
        )
        self._timed: PPO | None = None

    def do(self, job: Job) -> Answer:
        """Do a job."""
        self._worlds.pay(job["source"])
        if job["do"] == "time":
            return self._time(job["seconds"])
        return self._train(job["env_steps"], job["seed"], job["eval_seeds"])

    def _ppo(self, seed: int) -> PPO:
        """Return a new policy, with what our recipe says of discount and exploration."""
        return sb3_ppo(
            self._worlds,
            seed=seed,
            rollout=ROLLOUT,
            gamma=self._recipe.gamma,
            init_std=self._recipe.init_std,
        )

    def _time(self, seconds: float) -> Answer:
        """Learn on for some seconds; what happens only once is not timed."""
        if self._timed is None:
            self._timed = self._ppo(9000)
            self._timed.learn(ROLLOUT)
        start, steps = time.perf_counter(), 0
        while time.perf_counter() - start < seconds:
            self._timed.learn(ROLLOUT, reset_num_timesteps=False)
            steps += ROLLOUT
        return {"env_steps": steps, "seconds": time.perf_counter() - start}

    def _train(self, env_steps: int, seed: int, eval_seeds: Sequence[int]) -> Answer:
        start = time.perf_counter()
        model = self._ppo(seed)
        fitness, failure = None, None
        try:
            model.learn(env_steps)
            fitness = speed(self._task, model, eval_seeds)
        except ValueError as error:  # a policy of NaN has no distribution
            failure = str(error)
        return {
            "wall_s": time.perf_counter() - start,
            "env_steps": model.num_timesteps,
            "fitness": fitness,
            "failure": failure,
        }


def speed(task: Task, model: PPO, eval_seeds: Sequence[int]) -> float:
    """Return the task's fitness, m/s: mean over deterministic episodes of Gymnasium's class."""
    envs = [gymnasium_env(task) for _ in eval_seeds]
    starts = [env.reset(seed=seed) for env, seed in zip(envs, eval_seeds, strict=True)]
    observation = np.stack([observation for observation, _ in starts])
    begun = np.array([info["x_position"] for _, info in starts])
    reached = begun
    for _ in range(task.episode_steps):
        actions = model.predict(observation, deterministic=True)[0]
        steps = [env.step(action) for env, action in zip(envs, actions, strict=True)]
        observation = np.stack([step[0] for step in steps])
        reached = np.array([step[4]["x_position"] for step in steps])
    return float(np.mean(reached - begun)) / task.episode_s


if __name__ == "__main__":
    torch.set_num_threads(1)
    serve(Trainer(sys.argv[1], int(sys.argv[2])).do)
