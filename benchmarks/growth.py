"""A population of ours that grows rung by rung, over several parts of a benchmark if need be."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import report
from benchmarks.learning import THREADS, actor, returns
from rewardgen.analysis.statistics import iqm
from rewardgen.rewards.inline import InlineReward
from rewardgen_envs.task import Task
from rewardgen_policies.checkpoint import save_checkpoint
from rewardgen_policies.recipe import Recipe
from rewardgen_policies.train import Member, train


@dataclass(frozen=True)
class Growth:
    """A population after some rungs.

    Attributes:
        env_steps: per member, after each rung.
        scores: return of each member's deterministic episodes, after each rung.
        train_s: wall seconds of training alone, of each rung.
    """

    env_steps: tuple[int, ...] = ()
    scores: tuple[tuple[float, ...], ...] = ()
    train_s: tuple[float, ...] = ()

    @property
    def rungs(self) -> int:
        """How many rungs it has been through."""
        return len(self.env_steps)

    @property
    def curve(self) -> list[tuple[int, float]]:
        """Env-steps per member and interquartile mean after each rung."""
        return [(n, iqm(s)) for n, s in zip(self.env_steps, self.scores, strict=True)]


def grow(
    task: Task,
    recipe: Recipe,
    seeds: Sequence[int],
    folder: Path,
    *,
    rung_steps: int,
    enough: Callable[[Growth], bool],
    limit_s: float,
) -> Growth:
    """Train a population on the human reward, rung by rung, until it is enough or time is over.

    Args:
        task: the task.
        recipe: PPO settings.
        seeds: one per member.
        folder: holds its checkpoints; a population that is there already grows on.
        rung_steps: env-steps per member and rung.
        enough: whether to stop.
        limit_s: seconds after which no rung is begun.
    """
    source = InlineReward.from_file(task.human_reward, task.table)
    grown, begin = _read(folder), time.perf_counter()
    while not enough(grown) and time.perf_counter() - begin < limit_s:
        paths = [folder / f"{grown.rungs}-{seed}.safetensors" for seed in seeds]
        members = [
            Member(source, seed, path if grown.rungs else None)
            for seed, path in zip(seeds, paths, strict=True)
        ]
        start = time.perf_counter()
        trained = train(task, members, recipe, rung_steps, rung=grown.rungs, threads=THREADS)
        train_s = time.perf_counter() - start
        scores = [returns(task, actor(state)) for state in trained.states]
        for seed, state in zip(seeds, trained.states, strict=True):
            save_checkpoint(state, folder / f"{grown.rungs + 1}-{seed}.safetensors")
        grown = Growth(
            (*grown.env_steps, trained.states[0].counters.env_steps),
            (*grown.scores, tuple(scores)),
            (*grown.train_s, train_s),
        )
        (folder / "growth.json").write_text(json.dumps(dataclasses.asdict(grown)))
        report(
            f"{task.name}: ours, {grown.env_steps[-1]:,} env-steps per member in "
            f"{sum(grown.train_s):.0f} s: IQM {iqm(scores):,.0f} of {[round(x) for x in scores]}"
        )
    return grown


def _read(folder: Path) -> Growth:
    """Return what is known of a population; nothing if there is none yet."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "growth.json"
    if not path.is_file():
        return Growth()
    known = json.loads(path.read_text())
    scores = tuple(tuple(row) for row in known["scores"])
    return Growth(tuple(known["env_steps"]), scores, tuple(known["train_s"]))
