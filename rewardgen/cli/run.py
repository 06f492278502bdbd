"""``rewardgen run CONFIG [overrides]``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from rewardgen.cli.flags import parse_flags
from rewardgen.cli.output import finish, say_estimate
from rewardgen.config import RunConfig, load_config, parse_config


@dataclass(frozen=True)
class Options:
    """Search a reward for a task: propose, train, feed back, and confirm the winner.

    CONFIG is a YAML file or the name of a shipped preset; flags override it. Without CONFIG,
    --from RUN starts from the configuration of that run.
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
        repeated = _value_of("from", given) if preset is None else None
        options = parse_flags(
            Options,
            given,
            prog="rewardgen run [CONFIG]",
            preset=load_config(preset) if repeated is None else _repeated(repeated, given),
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


def _repeated(reference: str, given: list[str]) -> RunConfig:
    """Return the configuration of a recorded run, with its name and folder left open.

    Raises:
        UsageError: no such run or transcript.
        ConfigError: it was recorded by another version, whose configuration differs.
    """
    from rewardgen.design.transcript import read_transcript

    runs_dir = Path(_value_of("runs-dir", given) or RunConfig().runs_dir)
    recorded = read_transcript(Path(reference), runs_dir)
    values = {
        key: value
        for key, value in recorded.config.items()
        if key not in ("name", "runs_dir", "designer", "from", "pause")
    }
    return parse_config(values, reference)


def _value_of(flag: str, given: list[str]) -> str | None:
    """Return what follows a flag on the command line, None if it is not there."""
    for index, argument in enumerate(given):
        if argument == f"--{flag}" and index + 1 < len(given):
            return given[index + 1]
        if argument.startswith(f"--{flag}="):
            return argument.partition("=")[2]
    return None
