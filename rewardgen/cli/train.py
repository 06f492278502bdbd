"""``rewardgen train`` and ``rewardgen tasks baseline``: training without a search."""

from __future__ import annotations

from dataclasses import dataclass, field

import tyro

from rewardgen.cli.flags import parse_flags
from rewardgen.cli.output import finish, say_estimate
from rewardgen.config import TrainConfig

_FLAGS = (tyro.conf.FlagCreatePairsOff,)


@dataclass(frozen=True)
class TrainOptions:
    """Train policies on given rewards, without a search; several rewards side by side."""

    config: tyro.conf.OmitArgPrefixes[TrainConfig]
    dry_run: bool = False
    """Validate, check the reward files, simulate one second, print an estimate, and stop."""
    json: bool = False
    """End in one JSON object (docs/schemas/train.json)."""


@dataclass(frozen=True)
class Train:
    """A parsed ``train``."""

    options: TrainOptions
    command: tuple[str, ...] = field(default=())

    @staticmethod
    def parse(arguments: list[str]) -> Train:
        """Parse the command line."""
        options = parse_flags(TrainOptions, arguments, prog="rewardgen train", markers=_FLAGS)
        return Train(options, ("rewardgen", "train", *arguments))

    def run(self) -> int:
        """Do it and return the exit status."""
        from rewardgen import api

        config = self.options.config
        if self.options.dry_run:
            return say_estimate(api.dry_run(config), json=self.options.json)
        return finish(
            lambda: api.train(config, command=self.command),
            json=self.options.json,
        )


@dataclass(frozen=True)
class BaselineOptions:
    """Train a task's human and sparse rewards: what every search is compared with."""

    task: tyro.conf.Positional[str]
    """Installed task, path/to/file.py:Class, or path/to/map.yaml."""
    seeds: int = 10
    """Training seeds per reward."""
    seed: int = 0
    """Every random number follows from it."""
    name: str | None = None
    """Folder of the run; by default task and a number."""
    env_steps: int = 1_000_000
    """Training budget per member, in environment steps."""
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
        from rewardgen import api
        from rewardgen.config import train_config

        config = train_config(
            {
                "task": self.options.task,
                "reward": ("human", "sparse"),
                "seeds": self.options.seeds,
                "seed": self.options.seed,
                "name": self.options.name,
                "env_steps": self.options.env_steps,
            }
        )
        return finish(
            lambda: api.train(config, command=self.command),
            json=self.options.json,
        )
