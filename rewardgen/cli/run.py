"""``rewardgen run CONFIG [overrides]``."""

from __future__ import annotations

from dataclasses import dataclass

import tyro

from rewardgen.cli.flags import parse_flags
from rewardgen.cli.output import finish, say_estimate
from rewardgen.config import RunConfig, load_config


@dataclass(frozen=True)
class Options:
    """Search a reward for a task: propose, train, feed back, and confirm the winner.

    CONFIG is a YAML file or the name of a shipped preset; flags override it.
    """

    config: tyro.conf.OmitArgPrefixes[RunConfig]
    dry_run: bool = False
    """Validate, simulate one second, print an estimate of cost and time, and stop."""
    json: bool = False
    """End in one JSON object (docs/schemas/show.json)."""


@dataclass(frozen=True)
class Run:
    """A parsed ``run``."""

    options: Options
    command: tuple[str, ...]

    @staticmethod
    def parse(arguments: list[str]) -> Run:
        """Parse the command line; the preset supplies the defaults of the flags.

        Raises:
            ConfigError: the preset cannot be read, or a value of it or of a flag is not valid.
        """
        given = list(arguments)
        preset = given.pop(0) if given and not given[0].startswith("-") else None
        options = parse_flags(
            Options,
            given,
            prog="rewardgen run [CONFIG]",
            markers=(tyro.conf.FlagCreatePairsOff,),
            preset=load_config(preset),
        )
        return Run(options, ("rewardgen", "run", *arguments))

    def run(self) -> int:
        """Do it and return the exit status."""
        from rewardgen import api

        config = self.options.config
        if self.options.dry_run:
            return say_estimate(api.dry_run(config), json=self.options.json)
        return finish(
            lambda: api.run(config, command=self.command),
            json=self.options.json,
        )
