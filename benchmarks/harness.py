"""What every benchmark shares: arguments, the machine, result lines, the tables of the README.

A benchmark runs in parts of at most nine minutes (``--part K``). Each part appends one line to
``results/NAME.jsonl``: commit, machine, arguments, figures. ``python -m benchmarks.tables``
generates the tables of README.md from the latest line of every part.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rewardgen.config import recipe_path
from rewardgen_envs.cpus import cpu_count
from rewardgen_envs.task import Task
from rewardgen_policies.recipe import Recipe, load_recipe

RESULTS = Path(__file__).parent / "results"


def recipe_of(task: Task) -> Recipe:
    """Return the recipe that a search uses for a task."""
    path = recipe_path(task.name, None)
    return Recipe() if path is None else load_recipe(path)


class MissingPartError(RuntimeError):
    """What a part or a figure builds on has not been measured yet; says what."""


@dataclass(frozen=True)
class Benchmark:
    """One benchmark.

    Attributes:
        name: file name of the script and of its results.
        summary: one sentence for ``--help``.
        parts: part → what it measures; the function returns the figures of one result line.
        combine: figures of the latest line of each part → the benchmark's JSON object.
    """

    name: str
    summary: str
    parts: Sequence[Callable[[], dict[str, Any]]]
    combine: Callable[[Sequence[dict[str, Any]]], dict[str, Any]]

    def main(self) -> None:
        """Parse the arguments, measure, record, print."""
        parser = argparse.ArgumentParser(description=self.summary)
        parser.add_argument("--json", action="store_true", help="end in one JSON object")
        parser.add_argument(
            "--part",
            type=int,
            choices=range(1, len(self.parts) + 1),
            help=f"measure one of {len(self.parts)} parts; by default all",
        )
        given = parser.parse_args()
        chosen = [given.part] if given.part else range(1, len(self.parts) + 1)
        try:
            for part in chosen:
                self._record(part, self.parts[part - 1]())
            figures = self.combine(latest(self.name))
        except MissingPartError as missing:
            parser.exit(1, f"{self.name}: {missing}\n")
        if given.json:
            print(json.dumps(figures, allow_nan=False))

    def _record(self, part: int, figures: dict[str, Any]) -> None:
        line = {
            "commit": commit(),
            "machine": machine(),
            "load": round(os.getloadavg()[0], 2),
            "command": f"python benchmarks/{self.name}.py --part {part}",
            "part": part,
            "figures": figures,
        }
        RESULTS.mkdir(exist_ok=True)
        with (RESULTS / f"{self.name}.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, allow_nan=False) + "\n")


def latest(name: str) -> list[dict[str, Any]]:
    """Return the figures of the latest line of each part of a benchmark, in order."""
    return [line["figures"] for line in latest_lines(name)]


def latest_lines(name: str) -> list[dict[str, Any]]:
    """Return the latest result line of each part of a benchmark, in order."""
    path = RESULTS / f"{name}.jsonl"
    if not path.is_file():
        return []
    lines: dict[int, dict[str, Any]] = {}
    for text in path.read_text(encoding="utf-8").splitlines():
        line = json.loads(text)
        lines[line["part"]] = line
    return [lines[part] for part in sorted(lines)]


def commit() -> str:
    """Return the checked-out commit, marked if files differ from it."""
    root = Path(__file__).parent
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--exclude=*"],
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


def machine() -> str:
    """Return cores, processor, system and the versions that matter."""
    import mujoco
    import torch

    return (
        f"{cpu_count()} cores, {_processor()}, {platform.system()} {platform.machine()}, Python "
        f"{platform.python_version()}, torch {torch.__version__}, mujoco {mujoco.__version__}"
    )


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or "unknown processor"
    names = [line.split(":", 1)[1].strip() for line in text.splitlines() if "model name" in line]
    return names[0] if names else "unknown processor"


def report(text: str) -> None:
    """Print one line of progress."""
    print(text, file=sys.stderr, flush=True)
