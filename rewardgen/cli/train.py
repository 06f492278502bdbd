"""``rewardgen train``: training without a search."""

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
