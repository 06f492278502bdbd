"""``rewardgen compare A.py B.py … --task NAME``."""

from __future__ import annotations

from dataclasses import dataclass, field

import tyro

from rewardgen.cli.flags import parse_flags
from rewardgen.cli.output import say, say_record, work_or_status
from rewardgen.config import CompareConfig

_FLAGS = (tyro.conf.FlagCreatePairsOff,)


@dataclass(frozen=True)
class CompareOptions:
    """Compare rewards: on transitions, then in a race, then on fresh seeds."""

    config: tyro.conf.OmitArgPrefixes[CompareConfig]
    json: bool = False
    """End in one JSON object (docs/schemas/compare.json)."""


@dataclass(frozen=True)
class Compare:
    """A parsed ``compare``."""

    options: CompareOptions
    command: tuple[str, ...] = field(default=())

    @staticmethod
    def parse(arguments: list[str]) -> Compare:
        """Parse the command line."""
        options = parse_flags(CompareOptions, arguments, prog="rewardgen compare", markers=_FLAGS)
        return Compare(options, ("rewardgen", "compare", *arguments))

    def run(self) -> int:
        """Do it and return the exit status: 1 if a reward did not pass its check or failed."""
        from rewardgen import api
        from rewardgen.report.comparison_text import comparison_text
        from rewardgen.report.names import COMPARISON_HTML

        config = self.options.config
        record = work_or_status(lambda: api.compare(config, command=self.command))
        if isinstance(record, int):
            return record
        folder = config.out
        if folder is None and record.run is not None:
            folder = config.runs_dir / record.run
        if self.options.json:
            say_record(record)
        else:
            say(comparison_text(record))
            if folder is not None:
                say(f"Report: {folder / COMPARISON_HTML}")
        return int(any(reward.decision in ("refused", "failed") for reward in record.rewards))
