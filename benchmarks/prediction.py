"""What the data stage of a comparison says of rewards, beside what training on them gave.

The 24 rewards of each task of ``trained_rewards`` are compared on 20,000 transitions of random
actions and the task's stored human policy, as ``rewardgen compare`` does it, with the human reward
as reference. How each reward ranks episodes, and how far it is from the reference, is correlated
with the fitness that its policies reached. Then each reward that has a file comes again twice, as
what trains the same policies: rescaled, and with a potential added. They should be found to be
duplicates of what they were made from, and no reward of the best quarter should be held back.
"""

from __future__ import annotations

import ast
import math
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from scipy.stats import spearmanr

from benchmarks.harness import Benchmark, recipe_of, report
from benchmarks.trained_rewards import BUDGETS, Trained, trained, written
from rewardgen import api
from rewardgen.analysis.statistics import wilson_interval
from rewardgen.config import CompareConfig
from rewardgen.store.compare_records import HELD_BACK, ComparedReward
from rewardgen_envs.registry import load_task

NAME = "prediction"
SEED, RESAMPLES, LEVEL = 72, 2_000, 0.95
SCALE = 7.0
POTENTIALS = {
    "cartpole/swing-up": "0.3 * torch.tanh({}.pole_angular_velocity / 5.0)",
    "hopper/back-flip": "0.5 * torch.tanh({}.torso_height)",
    "half-cheetah/run": "0.5 * torch.tanh(2.0 * {}.torso_z)",
}
PREDICTORS = ("tau", "auc", "nearness")
"""Kendall's tau with the fitness, AUC of successes, and 1 - distance to the human reward."""


# ---- rewards as files


def source_of(task: str, reward: Trained) -> str | None:
    """Return a reward's file; None for the sparse one, which has none."""
    if reward.name == "human":
        return load_task(task).human_reward.read_text(encoding="utf-8")
    return reward.source or None


def rescaled(source: str) -> str:
    """Return a reward that pays a multiple of another."""
    return _returning(source, lambda total: f"{SCALE} * ({total})")


def shaped(source: str, potential: str, gamma: float) -> str:
    """Return a reward with a potential added: Φ counts as 0 where the episode terminates."""
    after, before = potential.format("next_state"), potential.format("state")
    alive = "(1.0 - next_state.terminated.float())"
    return _returning(source, lambda total: f"({total}) + {gamma} * {alive} * {after} - {before}")


def _returning(source: str, change: Callable[[str], str]) -> str:
    """Return a reward file whose total is another; its terms stay."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple):
            total = ast.unparse(node.value.elts[0])
            node.value.elts[0] = ast.parse(change(total), mode="eval").body
    return ast.unparse(ast.fix_missing_locations(tree))


def compared(
    task: str, given: Mapping[str, str | None], reference: str
) -> dict[str, ComparedReward]:
    """Compare rewards at the data stage; None as source: the task's own of that name."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        record = api.compare(
            CompareConfig(
                task=task,
                reward=written(given, folder),
                reference=reference,
                seed=SEED,
                out=folder / "out",
            )
        )
    return {_name(reward.name): reward for reward in record.rewards}


def _name(given: str) -> str:
    """Return a reward's name; ``compare`` calls it by its file."""
    return Path(given).stem


# ---- measuring


def part(task: str) -> dict[str, Any]:
    """Compare the rewards of a task, and their duplicates."""
    rewards = trained(task)
    given = {one.name: one.source or None for one in rewards}
    began = time.perf_counter()
    said = compared(task, given, "human")
    seconds = time.perf_counter() - began
    rows = [
        {
            "name": one.name,
            "fitness": one.final,
            **_predictors(said[one.name]),
            "decision": said[one.name].decision,
            "duplicate_of": _name(said[one.name].duplicate_of or ""),
        }
        for one in rewards
    ]
    return {
        "task": task,
        "seconds": seconds,
        "rewards": rows,
        "planted": [_found(task, one) for one in rewards if source_of(task, one) is not None],
    }


def _predictors(said: ComparedReward) -> dict[str, float | None]:
    ranking, distance = said.ranking, said.distance
    return {
        "tau": None if ranking is None else ranking.tau,
        "auc": None if ranking is None else ranking.auc,
        "nearness": None if distance is None else 1.0 - distance,
    }


def _found(task: str, reward: Trained) -> dict[str, Any]:
    """Return whether both duplicates of a reward are found beside it."""
    source = source_of(task, reward)
    assert source is not None
    gamma = recipe_of(load_task(task)).gamma
    given = {
        "original": source,
        "rescaled": rescaled(source),
        "shaped": shaped(source, POTENTIALS[task], gamma),
    }
    said = compared(task, given, "none")
    report(f"{task} {reward.name}: {said['rescaled'].decision}, {said['shaped'].decision}")
    return {
        "name": reward.name,
        "original": said["original"].decision,
        "rescaled": said["rescaled"].decision,
        "shaped": said["shaped"].decision,
    }


# ---- figures


def correlation(rows: Sequence[dict[str, Any]], predictor: str) -> dict[str, Any]:
    """Return Spearman's correlation of a predictor with the trained fitness, over rewards."""
    known = [(row[predictor], row["fitness"]) for row in rows if row[predictor] is not None]
    if len(known) < 3:
        return {"rewards": len(known), "spearman": None, "interval": None}
    points = np.asarray(known)
    generator = np.random.default_rng(SEED)
    drawn = points[generator.integers(len(points), size=(RESAMPLES, len(points)))]
    values = [_spearman(sample) for sample in drawn]
    tail = 50.0 * (1.0 - LEVEL)
    low, high = np.nanpercentile(values, [tail, 100.0 - tail])
    value = _spearman(points)
    return {
        "rewards": len(known),
        "spearman": None if math.isnan(value) else value,
        "interval": [float(low), float(high)],
    }


def _spearman(points: np.ndarray[Any, Any]) -> float:
    if np.ptp(points[:, 0]) == 0.0 or np.ptp(points[:, 1]) == 0.0:
        return math.nan
    return float(spearmanr(points[:, 0], points[:, 1]).statistic)


def best_quarter(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rewards of the best quarter by trained fitness.

    Who ties with the first one outside of it is not among them: where few rewards reach anything,
    the rest of the quarter would be drawn from those that reach nothing.
    """
    ranked = sorted(rows, key=lambda row: -row["fitness"])
    size = len(ranked) // 4
    return [row for row in ranked[:size] if row["fitness"] > ranked[size]["fitness"]]


def discarded(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rewards that would not be trained, and neither would what they are told to equal.

    A duplicate is not lost: what it is a duplicate of is trained.
    """
    by_name = {row["name"]: row for row in rows}

    def lost(row: dict[str, Any]) -> bool:
        if row["decision"] not in HELD_BACK:
            return False
        twin = by_name.get(row["duplicate_of"])
        return twin is None or (row["name"] != twin["name"] and lost(twin))

    return [row for row in rows if lost(row)]


def combine(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return correlations per task, duplicates found, and what of the best would be lost."""
    planted = [one for part in parts for one in part["planted"]]
    kinds = {
        kind: [one[kind] == "duplicate" for one in planted if one["original"] != "constant"]
        for kind in ("rescaled", "shaped")
    }
    best = [(row, part) for part in parts for row in best_quarter(part["rewards"])]
    lost = [row["name"] for row, part in best if row in discarded(part["rewards"])]
    rows = [row for part in parts for row in part["rewards"]]
    held = [row for row in rows if row["decision"] in HELD_BACK]
    return {
        "predictors": {
            part["task"]: {name: correlation(part["rewards"], name) for name in PREDICTORS}
            for part in parts
        },
        "duplicates_found": {kind: _share(sum(found), len(found)) for kind, found in kinds.items()},
        "best_quarter_lost": {**_share(len(lost), len(best)), "names": lost},
        "held_back": _share(len(held), len(rows)),
        "decisions": {
            decision: _share(sum(row["decision"] == decision for row in rows), len(rows))
            for decision in sorted({row["decision"] for row in rows})
        },
    }


def _share(count: int, of: int) -> dict[str, Any]:
    low, high = wilson_interval(count, of)
    return {"count": count, "of": of, "interval": [low, high]}


BENCHMARK = Benchmark(
    name=NAME,
    summary="What is said of rewards before training, beside what training on them gave.",
    parts=tuple(partial(part, task) for task in BUDGETS),
    combine=combine,
)

if __name__ == "__main__":
    BENCHMARK.main()
