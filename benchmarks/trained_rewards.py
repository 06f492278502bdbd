"""Rewards of every kind, trained: what comparison, racing and filters are held against.

For each of three tasks 24 rewards: the task's human and sparse ones, fourteen written for this
(``benchmarks/varied``: good ones, and each usual mistake) and eight that the designer evolve
proposes first. All train in one population, two seeds at a time, and are evaluated by the task's
fitness after every rung. Nothing is retired: the scores of all rungs are what is kept.
"""

from __future__ import annotations

import os

# as everywhere in the benchmarks: OpenMP threads must sleep while physics runs
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "0")

import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.harness import Benchmark, MissingPartError, latest
from rewardgen import api
from rewardgen.analysis.statistics import iqm
from rewardgen.config import GenerateConfig, TrainConfig
from rewardgen.run.display import PlainDisplay
from rewardgen.store.events import DATABASE_NAME, read_events
from rewardgen.store.fold import Event
from rewardgen.store.payloads import RungFinished
from rewardgen_envs.registry import load_task

NAME = "trained_rewards"
VARIED = Path(__file__).parent / "varied"
BUDGETS = {"cartpole/swing-up": 200_000, "hopper/back-flip": 300_000, "half-cheetah/run": 400_000}
"""Env-steps of each policy; what the tasks' human rewards need, and half-cheetah's less."""
RUNGS, EVAL_EPISODES = 8, 5
PROPOSED, PROPOSAL_SEED = 8, 7
SEEDS_AT_A_TIME, BATCHES = 2, 3


@dataclass(frozen=True)
class Trained:
    """One reward and what its policies reached.

    Attributes:
        source: the reward file; empty for human and sparse.
        fitness: per training seed, the mean fitness of its policy after each rung.
    """

    name: str
    source: str
    fitness: tuple[tuple[float, ...], ...]

    @property
    def final(self) -> float:
        """IQM over the seeds after the last rung."""
        return iqm(self.last)

    @property
    def last(self) -> list[float]:
        """Fitness of each seed after the last rung."""
        return [rungs[-1] for rungs in self.fitness]


def rewards(task: str, folder: Path) -> dict[str, str]:
    """Return name → what ``train`` takes: the rewards of a task, files written to a folder."""
    named = {"human": "human", "sparse": "sparse"}
    for file in sorted((VARIED / task.replace("/", "-")).glob("*_reward.py")):
        named[file.stem.removesuffix("_reward")] = str(file)
    api.generate(GenerateConfig(task=task, n=PROPOSED, seed=PROPOSAL_SEED, out=folder))
    for number, file in enumerate(sorted(folder.glob("*.py"))):
        named[f"evolve_{number}"] = str(file)
    return named


def written(rewards: Mapping[str, str | None], folder: Path) -> tuple[str, ...]:
    """Write rewards to files; return what a command takes: files, or names without text."""
    given: list[str] = []
    for name, source in rewards.items():
        if source is None:
            given.append(name)
        else:
            file = folder / f"{name}.py"
            file.write_text(source, encoding="utf-8")
            given.append(str(file))
    return tuple(given)


def part(task: str, batch: int) -> dict[str, Any]:
    """Train all rewards of a task on two seeds."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        named = rewards(task, folder / "proposed")
        record = api.train(
            TrainConfig(
                task=task,
                reward=tuple(named.values()),
                seeds=SEEDS_AT_A_TIME,
                seed=700 + batch,
                name="all",
                runs_dir=folder,
                env_steps=BUDGETS[task],
                rungs=RUNGS,
                eval_episodes=EVAL_EPISODES,
                writers=(),
            ),
            display=PlainDisplay(),
        )
        arms = [arm.arm for arm in record.arms]
        scores = by_arm(
            read_events(folder / "all" / DATABASE_NAME), load_task(task).metrics[0].name
        )
        return {
            "task": task,
            "task_version": record.task_version,
            "scene_sha256": record.scene_sha256,
            "env_steps": BUDGETS[task],
            "wall_s": record.wall_s,
            "rewards": [
                {
                    "name": name,
                    "source": Path(given).read_text(encoding="utf-8") if ".py" in given else "",
                    "fitness": scores[arm],
                }
                for (name, given), arm in zip(named.items(), arms, strict=True)
            ],
        }


def by_arm(events: Iterable[Event], metric: str) -> dict[str, list[list[float | None]]]:
    """Return arm → per seed, in order, its mean fitness after each rung; None where it failed."""
    scores: dict[str, dict[int, list[float | None]]] = {}
    for event in events:
        if isinstance(event.payload, RungFinished):
            for member in event.payload.members:
                points = member.fitness.get(metric)
                mean = sum(points) / len(points) if points else None
                scores.setdefault(member.source, {}).setdefault(member.seed, []).append(mean)
    return {arm: [seeds[seed] for seed in sorted(seeds)] for arm, seeds in scores.items()}


def trained(task: str) -> list[Trained]:
    """Return the rewards of a task that all parts measured so far have trained.

    A policy that failed counts as worse than any.

    Raises:
        MissingPartError: no part of this task has been measured.
    """
    parts = [part for part in latest(NAME) if part["task"] == task]
    if not parts:
        raise MissingPartError(f"no part of {NAME} has trained the rewards of {task}")
    seeds: dict[tuple[str, str], list[tuple[float, ...]]] = {}
    for one in parts:
        for reward in one["rewards"]:
            seeds.setdefault((reward["name"], reward["source"]), []).extend(
                tuple(float("-inf") if x is None else x for x in rungs)
                for rungs in reward["fitness"]
            )
    most = max(len(points) for points in seeds.values())
    if any(len(points) < most for points in seeds.values()):
        raise MissingPartError(f"the parts of {task} trained different rewards; repeat the older")
    return [Trained(name, source, tuple(points)) for (name, source), points in seeds.items()]


def combine(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return task → reward → IQM of its policies' fitness, best first."""
    figures: dict[str, Any] = {}
    for task in dict.fromkeys(part["task"] for part in parts):
        ranked = sorted(trained(task), key=lambda one: -one.final)
        figures[task] = {
            "seeds": len(ranked[0].fitness),
            "wall_s": sum(part["wall_s"] for part in parts if part["task"] == task),
            "rewards": {one.name: one.final for one in ranked},
        }
    return figures


BENCHMARK = Benchmark(
    name=NAME,
    summary="24 rewards of every kind on each of three tasks, trained and evaluated rung by rung.",
    parts=tuple(partial(part, task, batch) for task in BUDGETS for batch in range(BATCHES)),
    combine=combine,
)

if __name__ == "__main__":
    BENCHMARK.main()
