"""Whether a race keeps the reward that would have been best, and what it saves.

The 24 trained rewards of each task of ``trained_rewards`` race again and again: their policies have
been trained to the end and evaluated after every rung, so that any race over them is known without
training anything. 1,000 times the seeds are drawn anew, with replacement, two per reward as in a
search and as many as there are. The reward that is best at the end of that draw survives if it is
still there when the race is over. Where many rewards end alike the best is a matter of luck, so it
is also counted how often somebody is left whom those seeds cannot tell from the best. The rules
are ``RULES``, written down before anything was trained: half goes on after each of eight rungs, and
a wildcard.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from scipy.stats import binomtest

from benchmarks.harness import Benchmark
from benchmarks.trained_rewards import BUDGETS, RUNGS, Trained, trained
from rewardgen.racing import survivors, wildcards

NAME = "racing"
RESAMPLES, SEED = 1_000, 71
SEARCH_SEEDS = 2
SURE = 1.96
"""Standard errors that two rewards must lie apart to be told from each other."""
SHOWN = ((1.0, 0), (0.5, 0), (0.5, 1), (0.25, 0), (0.25, 1))
RULES = (0.5, 1)
"""Share that goes on, and wildcards: what is promised; the other rules are printed beside."""

Scores = Mapping[str, Sequence[float]]
"""Reward → its score after each rung, higher is better."""


@dataclass(frozen=True)
class Raced:
    """How a race ended.

    Attributes:
        left: who was in its last rung.
        rungs: rungs that were trained, over all rewards.
    """

    left: tuple[str, ...]
    rungs: int


def race(scores: Scores, keep: float, jokers: int) -> Raced:
    """Let rewards race by the rules of the search."""
    running, spent = list(scores), 0
    before: dict[str, float] = {}
    for rung in range(RUNGS):
        spent += len(running)
        now = {name: scores[name][rung] for name in running}
        if rung == RUNGS - 1:
            break
        going_on = survivors(now, keep)
        going_on += wildcards(now, before, going_on, jokers)
        before = now
        if len(going_on) == 1 and len(running) > 1:
            running = going_on
            break
        running = going_on
    return Raced(tuple(running), spent)


def drawn(rewards: Sequence[Trained], seeds: int, generator: np.random.Generator) -> Scores:
    """Return the mean scores of seeds that are drawn with replacement, for each reward anew."""
    scores: dict[str, Sequence[float]] = {}
    for one in rewards:
        fitness = np.asarray(one.fitness)
        scores[one.name] = fitness[generator.integers(len(fitness), size=seeds)].mean(axis=0)
    return scores


def resampled(rewards: Sequence[Trained], seeds: int, keep: float, jokers: int) -> dict[str, Any]:
    """Race over all resamples; return how often the best survived, and the env-steps."""
    generator = np.random.default_rng(SEED)
    variances = {one.name: float(np.var(one.last, ddof=1)) for one in rewards}
    survived, alike, spent, lost = 0, 0, 0, list[float]()
    for _ in range(RESAMPLES):
        scores = drawn(rewards, seeds, generator)
        raced = race(scores, keep, jokers)
        final = {name: points[-1] for name, points in scores.items()}
        best = max(final, key=lambda name: final[name])
        left = max(raced.left, key=lambda name: final[name])
        gap = final[best] - final[left]
        survived += gap <= 0.0
        alike += gap <= SURE * math.sqrt((variances[best] + variances[left]) / seeds)
        lost.append(gap)
        spent += raced.rungs
    low, high = binomtest(survived, RESAMPLES).proportion_ci(method="wilson")
    return {
        "seeds": seeds,
        "keep": keep,
        "wildcards": jokers,
        "survived": survived / RESAMPLES,
        "interval": [low, high],
        "alike": alike / RESAMPLES,
        "lost": float(np.mean(lost)),
        "share_of_env_steps": spent / (RESAMPLES * RUNGS * len(rewards)),
    }


def part(task: str) -> dict[str, Any]:
    """Race over the rewards of one task."""
    rewards = trained(task)
    every = len(rewards[0].fitness)
    return {
        "task": task,
        "rewards": len(rewards),
        "races": [
            resampled(rewards, seeds, keep, jokers)
            for seeds in dict.fromkeys((SEARCH_SEEDS, every))
            for keep, jokers in SHOWN
        ],
    }


def combine(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return task → how often the best survived the promised rules, and the env-steps' share."""
    return {
        one["task"]: {
            f"{race['seeds']} seeds": {
                "survived": race["survived"],
                "alike": race["alike"],
                "share_of_env_steps": race["share_of_env_steps"],
            }
            for race in one["races"]
            if (race["keep"], race["wildcards"]) == RULES
        }
        for one in parts
    }


BENCHMARK = Benchmark(
    name=NAME,
    summary="How often a race keeps the reward that is best at the full budget, and what it costs.",
    parts=tuple(partial(part, task) for task in BUDGETS),
    combine=combine,
)

if __name__ == "__main__":
    BENCHMARK.main()
