"""What selecting does to scores, where nothing is to be found: rewards that are all equally good.

K rewards whose policies' fitness has one and the same distribution race by the rules of ``racing``;
the winner is trained once more on fresh seeds, as a run confirms it. In truth it reaches what all
reach, so its confirmed interval should hold that in 95 % of the races, and the score that it was
selected by should be too good. Fitness is drawn, not trained: from the shapes in ``SHAPES``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np

from benchmarks.harness import Benchmark
from benchmarks.racing import RULES, SEARCH_SEEDS, race
from benchmarks.trained_rewards import RUNGS
from rewardgen.analysis.statistics import Floats, estimate_iqm, iqm, wilson_interval

NAME = "selection_bias"
REWARDS, RACES, SEED = 24, 2_000, 74
CONFIRMATIONS, USUAL = (5, 10, 20), 10
"""Fresh seeds of a confirmation; the usual number is that of a run."""
POPULATION = 2_000_000
NOISE = 0.3
"""Standard deviation of a rung's evaluation, in those of the final fitness."""

Draw = Callable[[np.random.Generator, tuple[int, ...]], Floats]


def _normal(generator: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    return generator.normal(size=shape)


def _skewed(generator: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    return generator.exponential(size=shape)


def _failing(generator: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Three policies in ten learn nothing."""
    learned = generator.random(shape) < 0.7
    return np.where(learned, generator.normal(1.0, 0.1, shape), generator.normal(0.0, 0.1, shape))


SHAPES: dict[str, Draw] = {"normal": _normal, "skewed": _skewed, "three in ten fail": _failing}


def part(shape: str, races: int = RACES) -> dict[str, Any]:
    """Race equal rewards again and again; return how often the interval held the truth."""
    draw = SHAPES[shape]
    generator = np.random.default_rng(SEED)
    population = draw(generator, (POPULATION,))
    truth, spread = iqm(population), float(population.std())
    held = dict.fromkeys(CONFIRMATIONS, 0)
    selected: list[float] = []
    confirmed: dict[int, list[float]] = {seeds: [] for seeds in CONFIRMATIONS}
    for number in range(races):
        final = draw(generator, (REWARDS, SEARCH_SEEDS)).mean(axis=1)
        selected.append(_winner(final, NOISE * spread, generator) - float(population.mean()))
        for seeds in CONFIRMATIONS:
            estimate = estimate_iqm(draw(generator, (seeds,)), number)
            assert estimate.interval is not None, "there are several seeds"
            held[seeds] += estimate.interval[0] <= truth <= estimate.interval[1]
            confirmed[seeds].append(estimate.value - truth)
    return {
        "shape": shape,
        "races": races,
        "held": {str(seeds): count for seeds, count in held.items()},
        "selected_bias": float(np.mean(selected)) / spread,
        "confirmed_bias": float(np.mean(confirmed[USUAL])) / spread,
    }


def _winner(final: Floats, noise: float, generator: np.random.Generator) -> float:
    """Return the score that wins a race; fitness rises evenly, and is evaluated with noise."""
    rise = np.arange(1, RUNGS + 1) / RUNGS
    seen = final[:, None] * rise + generator.normal(0.0, noise, (len(final), RUNGS))
    scores = {str(number): list(row) for number, row in enumerate(seen)}
    left = race(scores, *RULES).left
    return max(scores[name][-1] for name in left)


def combine(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return shape → share of the races whose confirmed interval held the truth, and biases."""
    return {
        one["shape"]: {
            "coverage": {
                seeds: {
                    "value": count / one["races"],
                    "interval": wilson_interval(count, one["races"]),
                }
                for seeds, count in one["held"].items()
            },
            "selected_bias": one["selected_bias"],
            "confirmed_bias": one["confirmed_bias"],
        }
        for one in parts
    }


BENCHMARK = Benchmark(
    name=NAME,
    summary="Coverage of confirmed intervals where all candidates are equal.",
    parts=tuple(partial(part, shape) for shape in SHAPES),
    combine=combine,
)

if __name__ == "__main__":
    BENCHMARK.main()
