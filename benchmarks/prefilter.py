"""What the filters of the search save: rewards held back before training, in wall time.

The decisions are those of ``prediction`` on the 24 rewards of each task of ``trained_rewards``. In
turns of one run all rewards are trained for a tenth of their env-steps, and those that are not
held back; each turn also compares all rewards once, which is what holding back costs. Seconds are
those of training alone, without the start of its processes, so that a tenth stands for a whole.
"""

from __future__ import annotations

import os

# as everywhere in the benchmarks: OpenMP threads must sleep while physics runs
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "0")

import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from scipy.stats import ttest_1samp

from benchmarks.harness import Benchmark, MissingPartError, latest, report
from benchmarks.prediction import NAME as PREDICTION
from benchmarks.prediction import compared
from benchmarks.trained_rewards import (
    BUDGETS,
    EVAL_EPISODES,
    SEEDS_AT_A_TIME,
    Trained,
    trained,
    written,
)
from rewardgen import api
from rewardgen.config import TrainConfig
from rewardgen.store.compare_records import HELD_BACK
from rewardgen.store.events import DATABASE_NAME, read_events
from rewardgen.store.payloads import RungFinished

NAME = "prefilter"
TURNS, SHARE = 4, 0.1
"""Turns, and the share of the env-steps that each trains."""


def part(task: str) -> dict[str, Any]:
    """Time both ways of one task, in turns.

    Raises:
        MissingPartError: the rewards of this task have not been trained, or not been judged.
    """
    rewards = trained(task)
    judged = [part for part in latest(PREDICTION) if part["task"] == task]
    if not judged:
        raise MissingPartError(f"no part of {PREDICTION} has judged the rewards of {task}")
    held = {row["name"] for row in judged[-1]["rewards"] if row["decision"] in HELD_BACK}
    kept = [one for one in rewards if one.name not in held]
    turns: list[dict[str, float]] = []
    for number in range(TURNS):
        began = time.perf_counter()
        compared(task, {one.name: one.source or None for one in rewards}, "human")
        data_s = time.perf_counter() - began
        turn = {
            "data_s": data_s,
            "all_s": _training_s(task, rewards),
            "kept_s": _training_s(task, kept),
        }
        report(f"{task} turn {number + 1}: {turn}, saved {saved(turn):.3f}")
        turns.append(turn)
    return {
        "task": task,
        "rewards": len(rewards),
        "kept": len(kept),
        "best": max(one.final for one in rewards),
        "best_kept": max(one.final for one in kept),
        "turns": turns,
    }


def _training_s(task: str, rewards: Sequence[Trained]) -> float:
    """Train rewards for a share of their env-steps; return the seconds of training."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        api.train(
            TrainConfig(
                task=task,
                reward=written({one.name: one.source or None for one in rewards}, folder),
                seeds=SEEDS_AT_A_TIME,
                name="slice",
                runs_dir=folder,
                env_steps=round(BUDGETS[task] * SHARE),
                rungs=1,
                eval_episodes=EVAL_EPISODES,
                writers=(),
            )
        )
        rungs = read_events(folder / "slice" / DATABASE_NAME)
        return sum(e.payload.wall_s for e in rungs if isinstance(e.payload, RungFinished))


def saved(turn: dict[str, float]) -> float:
    """Return the share of a whole training's wall time that holding rewards back saves."""
    return 1.0 - (turn["kept_s"] / SHARE + turn["data_s"]) / (turn["all_s"] / SHARE)


def combine(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return task → rewards trained, and the share of wall time saved with its interval."""
    figures: dict[str, Any] = {}
    for one in parts:
        shares = [saved(turn) for turn in one["turns"]]
        low, high = ttest_1samp(shares, 0.0).confidence_interval(0.95)
        figures[one["task"]] = {
            "rewards": one["rewards"],
            "kept": one["kept"],
            "best": one["best"],
            "best_kept": one["best_kept"],
            "wall_time_saved": fmean(shares),
            "interval": [float(low), float(high)],
            "data_s": fmean(turn["data_s"] for turn in one["turns"]),
        }
    return figures


BENCHMARK = Benchmark(
    name=NAME,
    summary="Wall time that holding rewards back before training saves.",
    parts=tuple(partial(part, task) for task in BUDGETS),
    combine=combine,
)

if __name__ == "__main__":
    BENCHMARK.main()
