"""How long our PPO takes to what Stable-Baselines3's reaches with its zoo's tuned settings.

hopper/run and half-cheetah/run, Gymnasium's reward on both sides. SB3: 8 trainings of 1,000,000
env-steps with rl-baselines3-zoo's settings, two processes at a time, one torch thread each. They
are measured once and kept. Ours: 8 members of one population with the family's recipe. How many
env-steps they get is decided on seeds 9000 to 9007, before seeds 0 to 7 are trained; only the
last checkpoint of those counts. Wall times are env-steps divided by the rates of both sides,
which take turns. Scores are returns of deterministic episodes of Gymnasium's own class.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "0")

import dataclasses
import functools
import math
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.growth import Growth, grow
from benchmarks.harness import Benchmark, MissingPartError, latest, recipe_of, report
from benchmarks.learning import THREADS
from benchmarks.references import Key, find, keep
from benchmarks.sb3.processes import ROOT, Answer, Job, share, started, together, versions
from benchmarks.sb3.zoo import N_STEPS, ZOO
from rewardgen.analysis.statistics import Estimate, estimate_iqm, iqm
from rewardgen.rewards.inline import InlineReward
from rewardgen_envs.registry import load_task
from rewardgen_envs.task import Task
from rewardgen_policies.checkpoint import save_checkpoint
from rewardgen_policies.train import Member, train

NAME = "time_to_fitness"
TASKS = ("hopper/run", "half-cheetah/run")
SEEDS, DEV_SEEDS = tuple(range(8)), tuple(range(9000, 9008))
SB3_STEPS = math.ceil(1_000_000 / N_STEPS) * N_STEPS
RUNG_STEPS, MAX_RUNGS = 250_000, 32
MARGIN = 1.1
"""The env-steps are those at which the IQM of the development seeds is this times SB3's."""
TARGET = 1 / 3
LIMIT_S, SB3_LIMIT_S, SLICE_S, TURNS = 420.0, 500.0, 20.0, 3
PROCESSES, WORKER = 2, "benchmarks.sb3.zoo"
WORK = ROOT / "runs" / "benchmarks" / NAME
"""Trainings that are not finished; a part goes on with them."""


# ---- SB3's side


def reference_key(task: Task, seed: int) -> Key:
    """Return all that a training of SB3 depends on."""
    return {
        "task": task.name,
        "seed": seed,
        "env_steps": SB3_STEPS,
        "settings": dataclasses.asdict(ZOO[task.name]),
        "scene_sha256": task.scene_sha256,
        "versions": versions(),
    }


def part_reference(name: str, seeds: Sequence[int]) -> dict[str, Any]:
    """Go on with the trainings of two seeds; those that are kept already are not repeated."""
    task = load_task(name)
    missing = [seed for seed in seeds if find(NAME, reference_key(task, seed)) is None]
    jobs: list[Job] = [
        {
            "do": "continue",
            "seed": seed,
            "folder": str(_folder(task, f"sb3-{seed}")),
            "env_steps": SB3_STEPS,
            "seconds": SB3_LIMIT_S,
        }
        for seed in missing
    ]

    def done(job: Job, answer: Answer) -> None:
        report(
            f"{name}: sb3 seed {job['seed']}: {answer['env_steps']:,} env-steps in "
            f"{answer['wall_s']:.0f} s, score {answer['score']}"
        )
        if answer["score"] is not None:
            keep(NAME, reference_key(task, job["seed"]), answer)
            shutil.rmtree(job["folder"])

    if jobs:
        with started(WORKER, (name,), PROCESSES) as processes:
            for process in processes:
                process.ready()
            share(processes, jobs, done)
    results = {seed: find(NAME, reference_key(task, seed)) for seed in seeds}
    left = [seed for seed, result in results.items() if result is None]
    if left:
        report(f"{name}: sb3 seeds {left} are not done; repeat this part")
    return {
        "task": name,
        "side": "sb3",
        "trained": {str(seed): r for seed, r in results.items() if r is not None},
    }


# ---- our side


def _grow(task: Task, seeds: Sequence[int], what: str, enough: Callable[[Growth], bool]) -> Growth:
    """Go on with a population; what is kept of it goes when it is enough."""
    folder = _folder(task, what)
    grown = grow(
        task,
        recipe_of(task),
        seeds,
        folder,
        rung_steps=RUNG_STEPS,
        enough=enough,
        limit_s=LIMIT_S,
    )
    if enough(grown):
        shutil.rmtree(folder)
    else:
        report(f"{task.name}: not enough yet; repeat this part")
    return grown


def part_budget(name: str) -> dict[str, Any]:
    """Decide, on development seeds, how many env-steps our members get."""
    task, goal = load_task(name), MARGIN * reference(latest(NAME), name).value

    def passed(grown: Growth) -> bool:
        return bool(grown.scores) and iqm(grown.scores[-1]) >= goal

    def enough(grown: Growth) -> bool:
        return passed(grown) or grown.rungs >= MAX_RUNGS

    grown = _grow(task, DEV_SEEDS, "development", enough)
    return {
        "task": name,
        "side": "budget",
        "goal": goal,
        "rungs": grown.rungs if enough(grown) else None,
        "passed": passed(grown),
        "curve": grown.curve,
    }


def part_ours(name: str) -> dict[str, Any]:
    """Train the reported seeds for as long as was decided."""
    rungs = _part(latest(NAME), name, "budget")["rungs"]
    if rungs is None:
        raise MissingPartError(f"{name}: how many env-steps our members get is not decided yet")
    task = load_task(name)

    def enough(grown: Growth) -> bool:
        return grown.rungs >= rungs

    grown = _grow(task, SEEDS, "reported", enough)
    done = enough(grown)
    return {
        "task": name,
        "side": "ours",
        "done": done,
        "env_steps": grown.env_steps[-1] if done else None,
        "scores": grown.scores[-1] if done else None,
        "curve": grown.curve,
        "train_s": sum(grown.train_s),
    }


# ---- both sides in turns


def part_rates(name: str) -> dict[str, Any]:
    """Env-steps per second of both sides, in turns of about 20 s."""
    task = load_task(name)
    rates: dict[str, list[float]] = {"ours": [], "sb3": []}
    with (
        tempfile.TemporaryDirectory() as folder,
        started(WORKER, (name,), PROCESSES) as processes,
    ):
        for process in processes:
            process.ready()
        job: Job = {"do": "time", "seed": 9000, "seconds": SLICE_S}
        together(processes, {**job, "seconds": 0.0})
        ours = _Ours(task, Path(folder))
        for turn in range(TURNS):
            rates["ours"].append(ours.turn())
            answers = together(processes, job)
            rates["sb3"].append(sum(a["env_steps"] / a["seconds"] for a in answers))
            report(
                f"{name}: turn {turn + 1}: ours {rates['ours'][-1]:,.0f}, sb3 "
                f"{rates['sb3'][-1]:,.0f} env-steps/s"
            )
    return {
        "task": name,
        "side": "rates",
        "rates": {side: statistics.median(turns) for side, turns in rates.items()},
        "turns": {side: [round(x) for x in turns] for side, turns in rates.items()},
    }


class _Ours:
    """Our population, which learns on for some seconds at each turn."""

    def __init__(self, task: Task, folder: Path) -> None:
        self._task, self._recipe = task, recipe_of(task)
        self._source = InlineReward.from_file(task.human_reward, task.table)
        self._paths = [folder / f"{seed}.safetensors" for seed in DEV_SEEDS]
        self._turns = 0
        # the first one says how many updates a turn has
        self._updates = 4
        self._updates = max(4, round(SLICE_S * self.turn() / self._samples))

    @property
    def _samples(self) -> int:
        """Env-steps of an update."""
        return len(DEV_SEEDS) * self._recipe.samples

    def turn(self) -> float:
        """Train and return env-steps per second, making and resetting the worlds included."""
        members = [
            Member(self._source, seed, path if self._turns else None)
            for seed, path in zip(DEV_SEEDS, self._paths, strict=True)
        ]
        steps = self._updates * self._recipe.samples
        start = time.perf_counter()
        trained = train(self._task, members, self._recipe, steps, rung=self._turns, threads=THREADS)
        seconds = time.perf_counter() - start
        self._turns += 1
        for path, state in zip(self._paths, trained.states, strict=True):
            save_checkpoint(state, path)
        return self._updates * self._samples / seconds


# ---- figures


def _folder(task: Task, what: str) -> Path:
    """Return where a training lies until it is finished; other settings, another folder."""
    recipe = recipe_of(task)
    return (
        WORK / f"{task.name.replace('/', '-')}-{task.scene_sha256[:8]}-{recipe.sha256[:8]}" / what
    )


def _part(parts: Sequence[dict[str, Any]], name: str, side: str) -> dict[str, Any]:
    for part in parts:
        if (part["task"], part["side"]) == (name, side):
            return part
    raise MissingPartError(f"{name}: the part that measures '{side}' has not been run")


def _references(parts: Sequence[dict[str, Any]], name: str) -> dict[str, dict[str, Any]]:
    return {
        seed: result
        for part in parts
        if (part["task"], part["side"]) == (name, "sb3")
        for seed, result in part["trained"].items()
    }


def reference(parts: Sequence[dict[str, Any]], name: str) -> Estimate:
    """Return what SB3 reaches.

    Raises:
        MissingPartError: not all of its trainings are done.
    """
    trained = _references(parts, name)
    if len(trained) < len(SEEDS):
        raise MissingPartError(f"{name}: {len(trained)} of {len(SEEDS)} trainings of SB3 are done")
    return estimate_iqm([result["score"] for result in trained.values()], 0)


def combine(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return, per task that is measured, whether SB3's IQM is reached, and how fast."""
    return {name: _figures(parts, name) for name in TASKS if _complete(parts, name)}


def _complete(parts: Sequence[dict[str, Any]], name: str) -> bool:
    sides = {part["side"] for part in parts if part["task"] == name}
    if not {"ours", "rates"} <= sides or len(_references(parts, name)) < len(SEEDS):
        return False
    return _part(parts, name, "ours")["done"]


def _figures(parts: Sequence[dict[str, Any]], name: str) -> dict[str, Any]:
    ours, rates = _part(parts, name, "ours"), _part(parts, name, "rates")["rates"]
    trained, goal = _references(parts, name), reference(parts, name)
    reached = estimate_iqm(ours["scores"], 0)
    sb3_s = sum(result["env_steps"] for result in trained.values()) / rates["sb3"]
    ours_s = len(SEEDS) * ours["env_steps"] / rates["ours"]
    return {
        "sb3_iqm": goal.value,
        "sb3_interval": goal.interval,
        "ours_iqm": reached.value,
        "ours_interval": reached.interval,
        "env_steps": ours["env_steps"],
        "ours_s": ours_s,
        "sb3_s": sb3_s,
        "share_of_time": ours_s / sb3_s,
        "reached": reached.value >= goal.value and ours_s / sb3_s <= TARGET,
        "ours_env_steps_per_s": rates["ours"],
        "sb3_env_steps_per_s": rates["sb3"],
        "ours_whole_s": ours["train_s"],
        "sb3_whole_s": sum(result["wall_s"] for result in trained.values()) / PROCESSES,
        "ours": [round(x) for x in ours["scores"]],
        "sb3": [round(result["score"]) for result in trained.values()],
        "curve": ours["curve"],
    }


def _parts() -> list[Callable[[], dict[str, Any]]]:
    parts: list[Callable[[], dict[str, Any]]] = []
    for name in TASKS:
        pairs = [SEEDS[i : i + PROCESSES] for i in range(0, len(SEEDS), PROCESSES)]
        parts += [functools.partial(part_reference, name, pair) for pair in pairs]
        parts += [functools.partial(part, name) for part in (part_budget, part_ours, part_rates)]
    return parts


BENCHMARK = Benchmark(
    name=NAME,
    summary="The time our PPO takes to what SB3's reaches with its zoo's tuned settings.",
    parts=_parts(),
    combine=combine,
)

if __name__ == "__main__":
    BENCHMARK.main()
