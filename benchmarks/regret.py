"""How well a distance between two rewards predicts what it costs to train on the wrong one.

48 random MDPs with 32 states, 4 actions and 4 successors of each; in each, two random rewards and
16 steps from the first to the second. The distance of each step's reward to the first one, beside
the regret: what the best policy of either loses under the other, of what can be lost, averaged over
both directions. The step's reward is disguised by more or less random shaping and by numbers that
average out over next states: policies are ranked as before, so no regret is changed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from scipy.stats import pearsonr, spearmanr

from benchmarks.harness import Benchmark, report
from benchmarks.mdp import (
    Floats,
    Mdp,
    random_mdp,
    random_redistribution,
    random_reward,
    random_shaping,
)
from rewardgen.compare.tabular import CANONICALIZERS, distance

SEEDS = (0, 1, 2)
MDPS, STEPS = 48, 16
STATES, ACTIONS, SUCCESSORS, GAMMA = 32, 4, 4, 0.95
DISGUISE = 1.0
"""Largest size of the potentials, and of the numbers that average out, of the rewards' own."""


@dataclass(frozen=True)
class Pair:
    """Two rewards: the regret, and their distances, method → number."""

    regret: float
    plain: dict[str, float]
    disguised: dict[str, float]


def uncanonicalized(r1: Floats, r2: Floats) -> float:
    """Return the distance of two rewards as they are."""
    return 0.5 * float(np.linalg.norm(r1 / np.linalg.norm(r1) - r2 / np.linalg.norm(r2)))


def one_mdp(seed: int, number: int) -> list[Pair]:
    """Measure all steps in one MDP."""
    generator = np.random.default_rng([seed, number])
    mdp = random_mdp(generator, STATES, ACTIONS, SUCCESSORS, GAMMA)
    first, last = random_reward(generator, mdp), random_reward(generator, mdp)
    methods = measures(mdp)
    pairs: list[Pair] = []
    for step in range(1, STEPS + 1):
        plain = first + (last - first) * step / STEPS
        disguised = plain + disguise(generator, mdp)
        pairs.append(
            Pair(
                regret=(mdp.regret(first, plain) + mdp.regret(plain, first)) / 2.0,
                plain={name: measure(first, plain) for name, measure in methods.items()},
                disguised={name: measure(first, disguised) for name, measure in methods.items()},
            )
        )
    return pairs


def disguise(generator: np.random.Generator, mdp: Mdp) -> Floats:
    """Draw what changes a reward and not how it ranks policies, (S, A, S)."""
    potentials, averaging_out = generator.uniform(0.0, DISGUISE, 2)
    shaping = random_shaping(generator, mdp, potentials)
    return shaping + random_redistribution(generator, mdp, averaging_out)


def measures(mdp: Mdp) -> dict[str, Callable[[Floats, Floats], float]]:
    """Return all distances by name."""

    def by(method: str, r1: Floats, r2: Floats) -> float:
        return distance(r1, r2, mdp.transition, mdp.gamma, method)

    return {"none": uncanonicalized} | {name: partial(by, name) for name in CANONICALIZERS}


def part(seed: int, mdps: int = MDPS) -> dict[str, Any]:
    """Correlate distances with regret over all MDPs and steps of one seed."""
    pairs: list[Pair] = []
    for number in range(mdps):
        pairs += one_mdp(seed, number)
        if (number + 1) % 8 == 0:
            report(f"seed {seed}: {number + 1} of {mdps} MDPs")
    regrets = [pair.regret for pair in pairs]
    methods: dict[str, dict[str, float]] = {}
    for name in pairs[0].plain:
        disguised = [pair.disguised[name] for pair in pairs]
        plain = [pair.plain[name] for pair in pairs]
        methods[name] = {
            "pearson": float(pearsonr(disguised, regrets).statistic),
            "spearman": float(spearmanr(disguised, regrets).statistic),
            "plain_pearson": float(pearsonr(plain, regrets).statistic),
            "plain_spearman": float(spearmanr(plain, regrets).statistic),
        }
    return {"seed": seed, "pairs": len(pairs), "methods": methods}


def combine(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return method → correlations with regret, averaged over the seeds."""
    return {
        name: {
            kind: round(float(np.mean([part["methods"][name][kind] for part in parts])), 4)
            for kind in kinds
        }
        for name, kinds in parts[0]["methods"].items()
    }


BENCHMARK = Benchmark(
    name="regret",
    summary="Correlation of distances between rewards with regret, in random MDPs.",
    parts=tuple(partial(part, seed) for seed in SEEDS),
    combine=combine,
)

if __name__ == "__main__":
    BENCHMARK.main()
