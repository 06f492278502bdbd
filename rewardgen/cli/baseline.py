"""``rewardgen tasks baseline``: what chance and a task's own rewards reach."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from rewardgen.cli.flags import parse_flags
from rewardgen.cli.output import complain, finish
from rewardgen_envs.errors import UsageError

_FLAGS = (tyro.conf.FlagCreatePairsOff,)


@dataclass(frozen=True)
class BaselineOptions:
    """Train a task's human and sparse rewards and keep what they, and random actions, reach."""

    task: tyro.conf.Positional[str]
    """Installed task, or path/to/file.py:Class."""
    seeds: int = 10
    """Training seeds per reward."""
    seed: int = 0
    """Every random number follows from it."""
    name: str | None = None
    """Folder of the run; by default task and a number."""
    runs_dir: Path = Path("runs")
    """Where runs are kept."""
    env_steps: int = 1_000_000
    """Training budget per member, in environment steps."""
    rungs: int = 5
    """Stretches of training; an interrupted training repeats at most one."""
    eval_episodes: int = 10
    """Evaluation episodes per member."""
    device: str = "cpu"
    """Where physics and policies are computed: cpu, cuda, or several as cuda:0,cuda:1."""
    out: Path | None = None
    """Folder of the results; by default that of the installed package, which reports read."""
    from_: Annotated[str | None, tyro.conf.arg(name="from")] = None
    """Train nothing: keep the results of this finished run, say one that was resumed."""
    json: bool = False
    """End in one JSON object (docs/schemas/train.json)."""


@dataclass(frozen=True)
class TasksBaseline:
    """A parsed ``tasks baseline``."""

    options: BaselineOptions
    command: tuple[str, ...]

    @staticmethod
    def parse(arguments: list[str]) -> TasksBaseline:
        """Parse the command line."""
        prog = "rewardgen tasks baseline"
        options = parse_flags(BaselineOptions, arguments, prog=prog, markers=_FLAGS)
        return TasksBaseline(options, ("rewardgen", "tasks", "baseline", *arguments))

    def run(self) -> int:
        """Do it and return the exit status."""
        from rewardgen.store.baselines import DIRECTORY, baseline_file
        from rewardgen_envs.registry import load_task

        given = self.options
        status = self._measure(given)
        if status == 0:
            name = load_task(given.task).name  # a task of one's own has another than its file
            complain(f"kept in {baseline_file(name, given.out or DIRECTORY)}")
        return status

    def _measure(self, given: BaselineOptions) -> int:
        from rewardgen.baseline import make_baseline, store_baseline
        from rewardgen.config import train_config

        if given.from_ is not None:
            reference = given.from_
            return finish(
                lambda: store_baseline(reference, given.task, given.runs_dir, given.out),
                json=given.json,
            )
        if given.seeds < 2:
            raise UsageError(f"--seeds {given.seeds}: an interval needs at least 2 seeds")
        config = train_config(
            {
                "task": given.task,
                "reward": ("human", "sparse"),
                "seeds": given.seeds,
                "seed": given.seed,
                "name": given.name,
                "runs_dir": given.runs_dir,
                "env_steps": given.env_steps,
                "rungs": given.rungs,
                "eval_episodes": given.eval_episodes,
                "device": given.device,
            }
        )
        return finish(lambda: make_baseline(config, given.out, self.command), json=given.json)
