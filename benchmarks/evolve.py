"""Does ``evolve`` search? Against random programs and the single best feature.

``cartpole/swing-up`` at the demo's budget, three search seeds that development never used.
*random* draws from the same grammar with the same budget, without parents and feedback.
*single* rewards the one public feature whose mean goes best with fitness over all policies of
the evolve search of the same seed. All winners are retrained on fresh seeds; a point is one
training run.
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
from rewardgen.design.evolve import EvolveDesigner, Strategy
from rewardgen.run.display import PlainDisplay
from rewardgen.rungs.rung import RungOutcome
from rewardgen.store.records import ArmRecord, ShowRecord
from rewardgen.store.run_directory import read_run

SEEDS = (101, 102, 103)


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
    """Reward the public column that correlates best with fitness, and train on that."""
    run = read_run(folder / "search")
    rows: list[tuple[float, dict[str, float]]] = []
    for rung in run.state.rungs.values():
        if rung.finished is None or rung.finished.details is None:
            continue
        if rung.started.iteration is None:
            continue
        outcome = RungOutcome.model_validate_json(run.artifacts.read_text(rung.finished.details))
        for member in outcome.members:
            if member.episodes is not None:
                fitness = float(np.mean(next(iter(member.episodes.fitness.values()))))
                means = {name: values[0] for name, values in member.episodes.columns.items()}
                rows.append((fitness, means))
    fitness = np.array([row[0] for row in rows])
    best, correlation = "", 0.0
    for name in rows[0][1]:
        values = np.array([row[1][name] for row in rows])
        if name.startswith("norm(") or values.std() < 1e-9:
            continue
        r = float(np.corrcoef(values, fitness)[0, 1])
        if abs(r) > abs(correlation):
            best, correlation = name, r
    sign = "" if correlation > 0 else "-"
    column = best.replace("[", "[:, ")
    source = (
        "def compute_reward(state, action, next_state):\n"
        f"    single = {sign}next_state.{column}\n"
        "    return single, {'single': single}\n"
    )
    file = folder / "single.py"
    file.write_text(source, encoding="utf-8")
    report(f"single: {sign}{best}, correlation {correlation:.2f}")
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
    return {
        "feature": f"{sign}{best}",
        "correlation": correlation,
        "points": points(record.arms[0]),
    }


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
