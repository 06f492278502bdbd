"""What it gains that a population is trained in one process per CPU instead of in one.

The same job either way, with the same number of threads in all and the same result to the last
bit; the two take turns in one run. A job is that of a rung: reward hosts and checkpoints included,
processes have been started before.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.harness import Benchmark, recipe_of, report
from rewardgen.rungs.executor import LocalExecutor
from rewardgen.rungs.jobs import MemberSpec, RewardRef, TrainJob
from rewardgen_envs.registry import load_task

CASES = (("half-cheetah/run", 3), ("half-cheetah/run", 16), ("ant/run", 16))
TURNS, WORK = 5, 400_000  # env-steps of all members in a turn
SIDES: dict[str, Callable[[int, int | None, object], int]] = {
    "one process": lambda members, threads, engines: 1,
    "one per CPU": lambda members, threads, engines: min(members, 2),
}


def job(task_name: str, members: int) -> TrainJob:
    """Return a rung of candidates with one seed each; all have the human reward's code."""
    task = load_task(task_name)
    source = task.human_reward.read_text(encoding="utf-8")
    return TrainJob(
        task=task_name,
        rewards=tuple(RewardRef(kind="code", name=f"c{i}", source=source) for i in range(members)),
        members=tuple(MemberSpec(reward=i, seed=9000 + i) for i in range(members)),
        recipe=recipe_of(task).model_dump(mode="json"),
        rung=0,
        env_steps=WORK // members,
        threads=2,
    )


def part(task_name: str, members: int) -> dict[str, Any]:
    """Let both sides take turns at one job; the first turn starts the processes."""
    given = job(task_name, members)
    rates: dict[str, list[float]] = {side: [] for side in SIDES}
    with tempfile.TemporaryDirectory() as folder, LocalExecutor(Path(folder)) as executor:
        for turn in range(TURNS + 1):
            for side, count in SIDES.items():
                with patch("rewardgen.rungs.executor.processes", count):
                    start = perf_counter()
                    name = f"{side}-{turn}"
                    result, _ = executor.train(name, given, lambda done, total: None, print)
                    rate = result.env_steps / (perf_counter() - start)
                report(f"{task_name}, {members} members, turn {turn}: {side} {rate:,.0f}/s")
                rates[side] += [rate] if turn else []
    return {
        "task": task_name,
        "members": members,
        "rates": {side: statistics.median(values) for side, values in rates.items()},
        "turns": {side: [round(x) for x in values] for side, values in rates.items()},
    }


def combine(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the gain of every case."""
    return {
        f"{part['task']} {part['members']}": part["rates"]["one per CPU"]
        / part["rates"]["one process"]
        for part in parts
    }


BENCHMARK = Benchmark(
    name="shares",
    summary="A population trained in one process per CPU, against one process.",
    parts=tuple(partial(part, *case) for case in CASES),
    combine=combine,
)

if __name__ == "__main__":
    BENCHMARK.main()
