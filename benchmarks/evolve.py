"""Does ``evolve`` search? Against random programs and the single best feature.

``cartpole/swing-up`` at the demo's budget, three search seeds that development never used.
*random* draws from the same grammar with the same budget, without parents and feedback.
*single* rewards the one public feature that goes best with fitness over all candidates of the
evolve search of the same seed (rank correlation). All winners are retrained on fresh seeds; a
point is one training run.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np

from benchmarks.harness import Benchmark, report
from rewardgen import api
from rewardgen.analysis.statistics import difference_of_iqms, estimate_iqm
from rewardgen.config import RunConfig, TrainConfig, load_config
from rewardgen.design.designer import DesignContext
from rewardgen.design.evolve import EvolveDesigner, Strategy
from rewardgen.design.evolve.single import single_feature
from rewardgen.run.display import PlainDisplay
from rewardgen.run.journal import RunJournal
from rewardgen.store.records import ArmRecord, ShowRecord
from rewardgen.store.run_directory import RunDirectory
from rewardgen_envs.registry import load_task

SEEDS = (201, 202, 203)


def config(seed: int, folder: Path) -> RunConfig:
    """Return the demo's configuration with another seed."""
    chosen = {"seed": seed, "runs_dir": folder, "name": "search", "render": False}
    return load_config("demo").model_copy(update=chosen)


def points(arm: ArmRecord) -> list[float]:
    """Return one number per training run: the mean fitness of its evaluation episodes."""
    return [float(np.mean(m.fitness)) for m in arm.members if m.fitness]


def search(strategy: Strategy, seed: int) -> Callable[[], dict[str, Any]]:
    """Return the part that searches with one seed; evolve's also measures *single*."""

    def part() -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as folder:
            chosen = config(seed, Path(folder))
            record = api.run(chosen, designer=EvolveDesigner(strategy), display=PlainDisplay())
            arms = {arm.arm: points(arm) for arm in record.arms}
            figures: dict[str, Any] = {
                "seed": seed,
                "strategy": strategy.value,
                "arms": arms,
                "search_s": record.wall_s,
                "winner": _winning_source(record),
            }
            if strategy is Strategy.EVOLVE:
                figures["single"] = single(Path(folder), chosen)
            return figures

    return part


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
    proposal = single_feature(context)
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
    """Return IQM and interval of every side over all seeds, and evolve minus random."""
    evolve = [part for part in parts if part["strategy"] == "evolve"]
    random = [part for part in parts if part["strategy"] == "random"]
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
    figures["search_seeds"] = [part["seed"] for part in evolve]
    return figures


BENCHMARK = Benchmark(
    name="evolve",
    summary="Evolve against random programs of the same grammar and the single best feature.",
    parts=[search(s, seed) for seed in SEEDS for s in (Strategy.EVOLVE, Strategy.RANDOM)],
    combine=combine,
)

if __name__ == "__main__":
    BENCHMARK.main()
