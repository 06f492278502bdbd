"""How long ``rewardgen compare`` takes at its data stage: 8 rewards on 20,000 transitions.

The whole command, from the start of its process to its last line: libraries, gate, probe and host
for every reward file, simulation, both estimators with intervals and floors. Once with transitions
that it gathers, once with those of a file.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.harness import Benchmark, report
from rewardgen_envs.registry import load_task

TASKS = ("ant/run", "half-cheetah/run", "cartpole/swing-up")
REWARDS, TRANSITIONS, TURNS = 8, 20_000, 5
TARGET_S = 10.0
WRAPPED = """

def compute_reward(state, action, next_state):
    reward, terms = _given(state, action, next_state)
    effort = -{weight} * action.square().sum(-1)
    scaled = {{name: {scale} * values for name, values in terms.items()}}
    return {scale} * reward + effort, {{**scaled, "added_effort": effort}}
"""


def write_rewards(task_name: str, folder: Path) -> list[str]:
    """Write variants of the task's human reward, and return their files."""
    task = load_task(task_name)
    assert task.human_reward is not None
    source = task.human_reward.read_text(encoding="utf-8")
    given = source.replace("def compute_reward", "def _given")
    files: list[str] = []
    for number in range(REWARDS):
        path = folder / f"reward_{number}.py"
        text = WRAPPED.format(weight=0.1 * number, scale=1.0 + number % 3)
        path.write_text(given + text, encoding="utf-8")
        files.append(path.name)
    return files


def part(task_name: str) -> dict[str, Any]:
    """Time the command on one task, gathering and reading transitions in turns."""
    seconds: dict[str, list[float]] = {"gathered": [], "stored": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = write_rewards(task_name, folder)
        command = [sys.executable, "-m", "rewardgen.cli.main", "compare", *files]
        command += [f"--task={task_name}", f"--transitions={TRANSITIONS}", "--json"]
        # the files of the libraries are read once before
        record = _timed([*command, "--out=out"], folder)[1]
        stored = "--data=out/transitions.safetensors"
        for turn in range(TURNS):
            for side, more in (("gathered", []), ("stored", [stored])):
                took, _ = _timed([*command, *more], folder)
                report(f"{task_name}, turn {turn + 1}, {side}: {took:.2f} s")
                seconds[side].append(took)
    return {
        "task": task_name,
        "rewards": len(record["rewards"]),
        "transitions": record["data"]["transitions"],
        "features": record["data"]["features"],
        "seconds": {side: statistics.median(turns) for side, turns in seconds.items()},
        "turns": {side: [round(x, 3) for x in turns] for side, turns in seconds.items()},
    }


def _timed(command: Sequence[str], folder: Path) -> tuple[float, dict[str, Any]]:
    """Return how long a command took, and the object that it printed."""
    start = perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    took = perf_counter() - start
    if done.returncode:
        raise RuntimeError(done.stderr)
    return took, json.loads(done.stdout.splitlines()[-1])


def combine(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the slowest task's seconds beside what was asked for."""
    return {
        "seconds": {part["task"]: part["seconds"] for part in parts},
        "slowest_s": max(part["seconds"]["gathered"] for part in parts),
        "target_s": TARGET_S,
    }


BENCHMARK = Benchmark(
    name="compare",
    summary="Seconds that the data stage of rewardgen compare takes.",
    parts=tuple(partial(part, task) for task in TASKS),
    combine=combine,
)

if __name__ == "__main__":
    BENCHMARK.main()
