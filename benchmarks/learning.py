"""What 500,000 environment steps teach: our PPO against Stable-Baselines3's.

hopper/run and half-cheetah/run, human reward, 10 seeds, 32 environments, minibatches of a
quarter of the rollout on both sides. SB3 keeps its defaults otherwise; its rollout length is
swept on seeds that are not reported and the best is used. Both sides are scored by the return
of deterministic episodes under the human reward, on Gymnasium's own class.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "0")

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import torch
from stable_baselines3 import PPO

from benchmarks.harness import Benchmark, latest, recipe_of, report
from benchmarks.rivals import gymnasium_env, gymnasium_vec_env
from rewardgen.analysis.statistics import (
    difference_of_iqms,
    estimate_iqm,
    iqm,
    probability_of_improvement,
)
from rewardgen.rewards.inline import InlineReward
from rewardgen_envs.registry import load_task
from rewardgen_envs.task import Task
from rewardgen_policies.checkpoint import MemberState
from rewardgen_policies.evaluation import Policies
from rewardgen_policies.train import Member, train

TASKS = ("hopper/run", "half-cheetah/run")
SEEDS = tuple(range(10))
SWEEP_SEED = 9000
ENV_STEPS = 500_000
WORLDS, THREADS, EPISODES = 32, 2, 5
ROLLOUTS = (2_048, 8_192)  # samples per rollout over all environments
Act = Callable[[np.ndarray], np.ndarray]


def returns(task: Task, act: Act) -> float:
    """Return the mean return of deterministic episodes of Gymnasium's class."""
    env = gymnasium_env(task)
    totals: list[float] = []
    for episode in range(EPISODES):
        observation, _ = env.reset(seed=50_000 + episode)
        total, over = 0.0, False
        while not over:
            observation, reward, terminated, truncated, _ = env.step(act(observation))
            total += float(reward)
            over = terminated or truncated
        totals.append(total)
    env.close()
    return float(np.mean(totals))


def sb3(task: Task, seed: int, rollout: int) -> float:
    """Train SB3's PPO once and return its score."""
    torch.set_num_threads(THREADS)
    env = gymnasium_vec_env(task, WORLDS)
    model = PPO(
        "MlpPolicy",
        env,
        n_steps=rollout // WORLDS,
        batch_size=rollout // 4,
        seed=seed,
        device="cpu",
        verbose=0,
    )
    model.learn(ENV_STEPS)
    score = returns(task, lambda o: model.predict(o, deterministic=True)[0])
    env.close()
    report(f"{task.name}: sb3 rollout {rollout} seed {seed}: {score:.0f}")
    return score


def ours(task: Task) -> list[float]:
    """Train all seeds as one population and return their scores."""
    source = InlineReward.from_file(task.human_reward, task.table)
    members = [Member(source, seed=seed) for seed in SEEDS]
    trained = train(task, members, recipe_of(task), ENV_STEPS, threads=THREADS)
    scores: list[float] = []
    for seed, state in zip(SEEDS, trained.states, strict=True):
        scores.append(returns(task, actor(state)))
        report(f"{task.name}: ours seed {seed}: {scores[-1]:.0f}")
    return scores


def actor(state: MemberState) -> Act:
    """Return the deterministic policy of a member of ours, for one environment."""
    policy = Policies([state])

    def act(observation: np.ndarray) -> np.ndarray:
        rows = torch.from_numpy(observation).to(torch.float32)[None, None]
        with torch.no_grad():
            return policy(rows)[0, 0].numpy()

    return act


def random_score(task: Task) -> float:
    """Return the score of uniformly random actions."""
    space = gymnasium_env(task).action_space
    space.seed(SWEEP_SEED)
    return returns(task, lambda _: space.sample())


def sweep(name: str) -> Callable[[], dict[str, Any]]:
    """Return the part that finds SB3's best rollout length for a task."""

    def part() -> dict[str, Any]:
        task = load_task(name)
        scores = {rollout: sb3(task, SWEEP_SEED, rollout) for rollout in ROLLOUTS}
        best = max(scores, key=lambda rollout: scores[rollout])
        return {
            "task": name,
            "side": "sweep",
            "scores": scores,
            "rollout": best,
            "random": random_score(task),
        }

    return part


def sb3_part(name: str, seeds: Sequence[int]) -> Callable[[], dict[str, Any]]:
    """Return the part that trains SB3 on some seeds."""

    def part() -> dict[str, Any]:
        rollout = next(
            f["rollout"] for f in latest("learning") if f["task"] == name and f["side"] == "sweep"
        )
        scores = {seed: sb3(load_task(name), seed, rollout) for seed in seeds}
        return {"task": name, "side": "sb3", "rollout": rollout, "scores": scores}

    return part


def ours_part(name: str) -> Callable[[], dict[str, Any]]:
    """Return the part that trains our population."""

    def part() -> dict[str, Any]:
        scores = ours(load_task(name))
        return {"task": name, "side": "ours", "scores": dict(zip(SEEDS, scores, strict=True))}

    return part


def combine(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return, per task, the difference of IQMs with its interval and all points."""
    figures: dict[str, Any] = {}
    for name in TASKS:
        mine = [f for f in parts if f["task"] == name]
        a = [x for f in mine if f["side"] == "ours" for x in f["scores"].values()]
        b = [x for f in mine if f["side"] == "sb3" for x in f["scores"].values()]
        if not a or not b:
            continue
        difference = difference_of_iqms(a, b, seed=0)
        random = next(f["random"] for f in mine if f["side"] == "sweep")
        figures[name] = {
            "ours_iqm": estimate_iqm(a, 0).value,
            "sb3_iqm": iqm(b),
            "random": random,
            "sb3_over_random": iqm(b) / random,
            "difference": difference.value,
            "interval": difference.interval,
            "interval_over_sb3": [x / iqm(b) for x in difference.interval or ()],
            "p_sb3_better": probability_of_improvement(b, a).value,
            "ours": [round(x) for x in a],
            "sb3": [round(x) for x in b],
        }
    return figures


def _parts() -> list[Callable[[], dict[str, Any]]]:
    parts: list[Callable[[], dict[str, Any]]] = []
    for name in TASKS:
        parts += [sweep(name), ours_part(name)]
        parts += [sb3_part(name, SEEDS[i : i + 5]) for i in (0, 5)]
    return parts


BENCHMARK = Benchmark(
    name="learning",
    summary="What 500,000 environment steps teach: our PPO against Stable-Baselines3's.",
    parts=_parts(),
    combine=combine,
)

if __name__ == "__main__":
    BENCHMARK.main()
