"""What looking at a run of 10,000 candidates takes, and taking it up again.

The run is a search with ``evolve``, 100 iterations of 100 candidates that are done and one that was
interrupted in its last rung; its simulation is made up (``made_up.py``), all else is what the
product wrote. ``list`` and ``show`` are timed as whole processes, ``resume`` from the end of its
imports to its first new event after the one that says it was resumed. Beside the seconds stand
those that the processor worked, which a busy neighbour does not stretch.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter, process_time
from typing import Any
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.harness import Benchmark, report
from benchmarks.made_up import make_run
from rewardgen.cli.main import main
from rewardgen.config import RunConfig
from rewardgen.store.events import DATABASE_NAME
from rewardgen.store.payloads import Payload, Resumed
from rewardgen.store.run_directory import RunDirectory, read_run

ROOT = Path(__file__).parents[1]
TASK, NAME = "cartpole/swing-up", "large"
ITERATIONS, SAMPLES, ENV_STEPS = 100, 100, 60_000
TURNS = 5
SIDES: dict[str, tuple[str, ...]] = {
    "list": ("-m", "rewardgen.cli.main", "list"),
    "show": ("-m", "rewardgen.cli.main", "show", NAME),
    "show --json": ("-m", "rewardgen.cli.main", "show", NAME, "--json"),
    "show CANDIDATE": ("-m", "rewardgen.cli.main", "show", NAME, "c50-50"),
    "resume": ("-m", "benchmarks.large_run", "--resume", NAME),
}
IMPORTS = ("-c", "import rewardgen.cli.flags, rewardgen.cli.runs, rewardgen.report.console")


def configuration(runs_dir: Path) -> RunConfig:
    """Return the search: longer than what it has finished."""
    return RunConfig(
        task=TASK,
        name=NAME,
        runs_dir=runs_dir,
        iterations=2 * ITERATIONS,
        samples=SAMPLES,
        env_steps=ENV_STEPS,
        render=False,
        writers=(),
    )


def resume_until_news(name: str, runs_dir: str) -> None:
    """Resume a run until it has something new to say; print the seconds that took, as JSON."""
    for module in ("rewardgen.api", "rewardgen.cli.resume", "rewardgen.report.console"):
        importlib.import_module(module)
    found: dict[str, float] = {}
    append = RunDirectory.append

    def watched(self: RunDirectory, *payloads: Payload) -> object:
        events = append(self, *payloads)
        if not found and not isinstance(payloads[0], Resumed):
            found.update(wall_s=perf_counter() - start, cpu_s=process_time() - worked)
            raise KeyboardInterrupt
        return events

    with patch.object(RunDirectory, "append", watched):
        start, worked = perf_counter(), process_time()
        main(["resume", name, "--runs-dir", runs_dir])
    print(json.dumps(found))


def turn(arguments: Sequence[str], runs_dir: Path) -> dict[str, float]:
    """Run one process and return its seconds, and those that the processor worked for it."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), perf_counter()
    place = () if arguments[0] == "-c" else ("--runs-dir", str(runs_dir))
    done = subprocess.run(
        [sys.executable, *arguments, *place], cwd=ROOT, capture_output=True, text=True, check=False
    )
    wall_s = perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RuntimeError(done.stderr)
    if "--resume" in arguments:
        return json.loads(done.stdout.splitlines()[-1])
    worked = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall_s": wall_s, "cpu_s": worked}


def measure(runs_dir: Path) -> dict[str, Any]:
    """Let all sides take turns; every resume finds the run as it was."""
    database = runs_dir / NAME / DATABASE_NAME
    kept = shutil.copy(database, runs_dir / "kept.sqlite")
    sides = {"imports": IMPORTS, **SIDES}
    turns: dict[str, list[dict[str, float]]] = {side: [] for side in sides}
    for number in range(TURNS):
        for side, arguments in sides.items():
            turns[side].append(turn(arguments, runs_dir))
            report(f"turn {number + 1}: {side} {turns[side][-1]}")
        shutil.copy(kept, database)
    return {
        side: {
            unit: round(statistics.median(one[unit] for one in measured), 3)
            for unit in ("wall_s", "cpu_s")
        }
        | {"turns": [round(one["wall_s"], 3) for one in measured]}
        for side, measured in turns.items()
    }


def part() -> dict[str, Any]:
    """Make the run in memory, since its 60,000 files would wait for a disk; measure it on one."""
    memory = Path("/dev/shm")
    with (
        tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as made,
        tempfile.TemporaryDirectory() as folder,
    ):
        report(f"making a run of {ITERATIONS * SAMPLES:,} candidates")
        path = make_run(configuration(Path(made)), ITERATIONS)
        shutil.copytree(path, Path(folder) / NAME)
        os.sync()  # what is still to be written would slow the first turns down
        state = read_run(Path(folder) / NAME).state
        return {
            "candidates": sum(len(i.candidates) for i in state.iterations.values() if i.finished),
            "events": state.last_seq,
            "sides": measure(Path(folder)),
        }


def combine(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the figures as they are."""
    return dict(parts[0])


BENCHMARK = Benchmark(
    name="large_run",
    summary="Listing, showing and resuming a run of 10,000 candidates.",
    parts=(part,),
    combine=combine,
)

if __name__ == "__main__":
    if sys.argv[1:2] == ["--resume"]:
        resume_until_news(sys.argv[2], sys.argv[4])
    else:
        BENCHMARK.main()
