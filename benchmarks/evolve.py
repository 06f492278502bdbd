"""Does ``evolve`` search? Against random programs, the single best feature and the human reward.

Four tasks, three search seeds that development never used. The unit is a search: every search
of *evolve* is paired with every one of *random*, by the IQM of its winner, which is retrained on
fresh seeds. *random* draws from the same grammar with the same budget, races, play-off and
confirmation, without parents and feedback. *single* rewards the one public feature that goes best
with fitness over all candidates of the evolve search of the same seed (rank correlation). *human*
is the task's own reward, trained on the same seeds as the winners. One search per task may
take three times as long.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np

from benchmarks.harness import Benchmark, report
from rewardgen import api
from rewardgen.analysis.statistics import difference_of_iqms, estimate_iqm, iqm
from rewardgen.config import RunConfig, TrainConfig
from rewardgen.design.designer import DesignContext
from rewardgen.design.evolve import EvolveDesigner, Strategy
from rewardgen.design.evolve.single import single_feature
from rewardgen.run.display import PlainDisplay
from rewardgen.run.journal import RunJournal
from rewardgen.store.records import ArmRecord, ShowRecord
from rewardgen.store.run_directory import RunDirectory
from rewardgen_envs.registry import load_task

SEEDS = (201, 202, 203)

# the same for evolve and random; chosen on seeds from 9000 on. Without rungs: one that ends before
# policies move ranks candidates by luck
BUDGETS: Mapping[str, Mapping[str, Any]] = {
    "cartpole/swing-up": {
        "env_steps": 100_000,
        "iterations": 10,
        "samples": 12,
        "train_seeds": 1,
        "eval_episodes": 5,
        "confirm_seeds": 40,
        "confirm_episodes": 10,
    },
    "hopper/back-flip": {
        "env_steps": 130_000,
        "iterations": 10,
        "samples": 12,
        "train_seeds": 1,
        "eval_episodes": 5,
        "confirm_seeds": 16,
        "confirm_episodes": 10,
    },
    "ant/goal": {
        "env_steps": 300_000,
        "iterations": 3,
        "samples": 6,
        "train_seeds": 1,
        "eval_episodes": 5,
        "confirm_seeds": 3,
        "confirm_episodes": 10,
    },
    "half-cheetah/run": {
        "env_steps": 200_000,
        "iterations": 7,
        "samples": 8,
        "train_seeds": 1,
        "eval_episodes": 2,
        "confirm_seeds": 12,
        "confirm_episodes": 5,
    },
}


# what differs in the one search per task that may take three times as long
LONGER: Mapping[str, Mapping[str, Any]] = {
    "cartpole/swing-up": {"iterations": 30},
    "hopper/back-flip": {"iterations": 30},
    "ant/goal": {"iterations": 4, "env_steps": 700_000},
    "half-cheetah/run": {"iterations": 21},
}


def config(task: str, seed: int, folder: Path, *, longer: bool = False) -> RunConfig:
    """Return the configuration of one search."""
    budget = {**BUDGETS[task], **(LONGER[task] if longer else {}), "rungs": 1, "render": False}
    return RunConfig(task=task, seed=seed, runs_dir=folder, name="search", **budget)


def points(arm: ArmRecord) -> list[float]:
    """Return one number per training run: the mean fitness of its evaluation episodes."""
    return [float(np.mean(m.fitness)) for m in arm.members if m.fitness]


def search(
    task: str, strategy: Strategy, seed: int, *, longer: bool = False
) -> Callable[[], dict[str, Any]]:
    """Return the part that searches once; evolve's ordinary searches also measure *single*."""

    def part() -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as folder:
            chosen = config(task, seed, Path(folder), longer=longer)
            record = api.run(chosen, designer=EvolveDesigner(strategy), display=PlainDisplay())
            figures: dict[str, Any] = {
                "task": task,
                "seed": seed,
                "strategy": strategy.value,
                "longer": longer,
                "arms": {arm.arm: points(arm) for arm in record.arms},
                "medians": medians(record),
                "search_s": record.wall_s,
                "env_steps": record.env_steps,
                "winner": _winning_source(record),
            }
            if strategy is Strategy.EVOLVE and not longer:
                figures["single"] = single(Path(folder), chosen)
            return figures

    return part


def medians(record: ShowRecord) -> list[float | None]:
    """Return the median search fitness of each iteration's candidates; None if all failed."""
    found: list[float | None] = []
    for iteration in record.iterations:
        values = [
            c.fitness
            for c in record.candidates
            if c.iteration == iteration.iteration and c.fitness is not None
        ]
        found.append(median(values) if values else None)
    return found


def single(folder: Path, chosen: RunConfig) -> dict[str, Any]:
    """Reward the public feature that goes best with fitness in the search, and train on that."""
    task = load_task(chosen.task)
    with RunDirectory.resume(folder / "search") as directory:
        context = DesignContext(
            sentence=task.description,
            table=task.table.public(),
            action=task.action,
            control_dt_s=task.control_dt_s,
            episode_steps=task.episode_steps,
            count=1,
            seed=chosen.seed,
            history=RunJournal(directory).history(),
        )
    try:
        proposal = single_feature(context)
    except ValueError as error:
        report(f"single: {error}")
        return {"source": None, "note": str(error), "points": []}
    report(f"single: {proposal.note}")
    file = folder / "single.py"
    file.write_text(proposal.source, encoding="utf-8")
    record = api.train(
        TrainConfig(
            task=chosen.task,
            reward=(str(file),),
            seeds=chosen.confirm_seeds,
            seed=chosen.seed,
            name="single",
            runs_dir=folder,
            env_steps=chosen.confirm_steps,
            eval_episodes=chosen.confirm_episodes,
        ),
        display=PlainDisplay(),
    )
    return {"source": proposal.source, "note": proposal.note, "points": points(record.arms[0])}


def _winning_source(record: ShowRecord) -> str | None:
    return next((c.source for c in record.candidates if c.id == record.winner), None)


def combine(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return task → sides with intervals, pairs won, medians, duration; tasks measured so far."""
    return {
        task: _task_figures([part for part in parts if part["task"] == task])
        for task in BUDGETS
        if any(part["task"] == task for part in parts)
    }


def _task_figures(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    ordinary = [part for part in parts if not part["longer"]]
    evolve = [part for part in ordinary if part["strategy"] == "evolve"]
    random = [part for part in ordinary if part["strategy"] == "random"]
    sides = {
        "evolve": [x for part in evolve for x in part["arms"].get("winner", [])],
        "random": [x for part in random for x in part["arms"].get("winner", [])],
        "single": [x for part in evolve for x in part["single"]["points"]],
        "human": [x for part in evolve for x in part["arms"]["human"]],
        "sparse": [x for part in evolve for x in part["arms"]["sparse"]],
    }
    figures: dict[str, Any] = {}
    for name, values in sides.items():
        if values:
            estimate = estimate_iqm(values, 0)
            figures[name] = {"iqm": estimate.value, "interval": estimate.interval}
    if sides["evolve"] and sides["random"]:
        difference = difference_of_iqms(sides["evolve"], sides["random"], seed=0)
        figures["evolve_minus_random"] = {
            "difference": difference.value,
            "interval": difference.interval,
        }
    ours, theirs = ([_winner_iqm(part) for part in side] for side in (evolve, random))
    figures["searches"] = {"evolve": ours, "random": theirs}
    figures["wins"] = sum(_higher(mine, other) for mine in ours for other in theirs)
    figures["pairs"] = len(ours) * len(theirs)
    figures["medians"] = {
        f"{part['strategy']} {part['seed']}": part["medians"] for part in ordinary
    }
    figures["search_s"] = [part["search_s"] for part in ordinary]
    figures["env_steps"] = [part["env_steps"] for part in ordinary]
    for part in parts:
        if part["longer"] and part["arms"].get("winner"):
            estimate = estimate_iqm(part["arms"]["winner"], 0)
            figures["longer"] = {
                "iqm": estimate.value,
                "interval": estimate.interval,
                "search_s": part["search_s"],
                "medians": part["medians"],
            }
    return figures


def _winner_iqm(part: dict[str, Any]) -> float | None:
    """Return the IQM of a search's confirmed winner, None if it has none."""
    values = part["arms"].get("winner", [])
    return iqm(values) if values else None


def _higher(mine: float | None, other: float | None) -> bool:
    """Whether a search won a pair; one without a winner wins none."""
    return mine is not None and (other is None or mine > other)


PARTS = [
    *(search(task, s, seed) for task in BUDGETS for seed in SEEDS for s in Strategy),
    *(search(task, Strategy.EVOLVE, SEEDS[0], longer=True) for task in BUDGETS),
]
BENCHMARK = Benchmark(
    name="evolve",
    summary="Evolve against random programs, the single best feature and the human reward.",
    parts=PARTS,
    combine=combine,
)

if __name__ == "__main__":
    BENCHMARK.main()
