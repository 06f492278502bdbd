"""What one more policy costs: 1 to 64 members of ``ant/run`` in one population, on the CPU.

Each number of members trains in a process of its own, two seeds to a candidate, each candidate in
a reward host; the numbers take turns. Wall time per env-step, the part of it in which no physics
ran, and memory: the peak of the training process and what its reward hosts hold at the end.
"""

from __future__ import annotations

import os

# read when the libraries load: OpenMP threads must sleep while physics runs
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "0")

import multiprocessing
import statistics
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.harness import Benchmark, recipe_of, report
from rewardgen.isolation.host import HostPool
from rewardgen.rewards.format import read_reward
from rewardgen_envs.engines.mujoco_batch import MujocoBatchEngine
from rewardgen_envs.registry import load_task
from rewardgen_policies.train import Member, Progress, train

TASK, THREADS = "ant/run", 2
COUNTS = (1, 2, 4, 8, 16, 32, 64)
TURNS = 3
SAMPLES = 300_000
"""Env-steps of all members in a turn, about."""
LEAST_UPDATES, MOST_UPDATES = 3, 40


def measure(members: int) -> dict[str, float]:
    """Train a population for some updates; the first, which starts processes, is not counted."""
    task = load_task(TASK)
    recipe, code = recipe_of(task), read_reward(task.human_reward)
    updates = min(MOST_UPDATES, max(LEAST_UPDATES, SAMPLES // (members * recipe.samples)))
    marks: list[tuple[float, float]] = []
    simulated_s, hosts_kib = 0.0, 0
    step = MujocoBatchEngine.step

    def timed(engine: MujocoBatchEngine, substeps: int) -> None:
        nonlocal simulated_s
        start = time.perf_counter()
        step(engine, substeps)
        simulated_s += time.perf_counter() - start

    def mark(_: Progress) -> None:
        nonlocal hosts_kib
        marks.append((time.perf_counter(), simulated_s))
        if len(marks) == updates + 1:
            hosts_kib = sum(_pss_kib(pid) for pid in _descendants(os.getpid()))

    with HostPool() as pool, patch.object(MujocoBatchEngine, "step", timed):
        sources = [pool.open(code, task.table, f"c{i}") for i in range(-(-members // 2))]
        population = [Member(sources[i // 2], 9000 + i) for i in range(members)]
        steps = (updates + 1) * recipe.samples
        train(task, population, recipe, steps, threads=THREADS, progress=mark)
    (start, simulated), (end, simulated_then) = marks[0], marks[-1]
    taken, wall_s = updates * recipe.samples * members, end - start
    return {
        "env_steps_per_s": taken / wall_s,
        "us_per_env_step": 1e6 * wall_s / taken,
        "us_not_physics": 1e6 * (wall_s - (simulated_then - simulated)) / taken,
        "peak_mib": (_peak_kib() + hosts_kib) / 1024,
        "hosts_mib": hosts_kib / 1024,
    }


def _peak_kib() -> int:
    """Return the most memory that this process ever held."""
    return _number(Path("/proc/self/status"), "VmHWM:")


def _pss_kib(pid: int) -> int:
    """Return a process's memory; what it shares with others is divided between them."""
    return _number(Path(f"/proc/{pid}/smaps_rollup"), "Pss:")


def _number(file: Path, name: str) -> int:
    lines = file.read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


def _descendants(pid: int) -> list[int]:
    """Return the processes that a process started, and those that they did."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    children = [int(c) for t in tasks for c in (t / "children").read_text().split()]
    return [*children, *(below for child in children for below in _descendants(child))]


def part() -> dict[str, Any]:
    """Let all numbers of members take turns."""
    turns: dict[int, list[dict[str, float]]] = {count: [] for count in COUNTS}
    for number in range(TURNS):
        for count, found in turns.items():
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as alone:
                found.append(alone.submit(measure, count).result())
            report(f"turn {number + 1}: {count} members: {found[-1]}")
    return {
        "task": TASK,
        "rows": [
            {
                "members": count,
                **{name: statistics.median(turn[name] for turn in found) for name in found[0]},
            }
            for count, found in turns.items()
        ],
    }


def combine(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return members → wall time per env-step and member, and peak memory."""
    return {
        str(row["members"]): {name: round(row[name], 2) for name in row if name != "members"}
        for row in parts[0]["rows"]
    }


BENCHMARK = Benchmark(
    name="scaling",
    summary="What one more policy in a population costs, on the CPU.",
    parts=(part,),
    combine=combine,
)

if __name__ == "__main__":
    BENCHMARK.main()
