"""``rewardgen generate --task NAME --text "..."``."""

from __future__ import annotations

from dataclasses import dataclass

import tyro

from rewardgen.cli.flags import parse_flags
from rewardgen.cli.output import complain, say, say_record
from rewardgen.config import GenerateConfig


@dataclass(frozen=True)
class Options:
    """Write reward files for a sentence, checked but not trained."""

    config: tyro.conf.OmitArgPrefixes[GenerateConfig]
    json: bool = False
    """End in one JSON object (docs/schemas/generate.json)."""


@dataclass(frozen=True)
class Generate:
    """A parsed ``generate``."""

    options: Options

    @staticmethod
    def parse(arguments: list[str]) -> Generate:
        """Parse the command line; ``-n`` is short for ``--n``."""
        given = ["--n" if argument == "-n" else argument for argument in arguments]
        markers = (tyro.conf.FlagCreatePairsOff,)
        return Generate(parse_flags(Options, given, prog="rewardgen generate", markers=markers))

    def run(self) -> int:
        """Do it and return the exit status: 0 if at least one reward was accepted, else 1."""
        from rewardgen import api
        from rewardgen.design.designer import ExhaustedError
        from rewardgen.llm.errors import EndpointError
        from rewardgen.report.text import finding_text, printable

        try:
            record = api.generate(self.options.config)
        except EndpointError as error:
            complain(f"{error}; once that is mended, repeat the command to go on")
            return 1
        except ExhaustedError as error:
            complain(str(error))
            return 1
        accepted = [reward for reward in record.rewards if reward.verdict == "accepted"]
        if self.options.json:
            say_record(record)
            return 0 if accepted else 1
        for reward in record.rewards:
            for finding in reward.findings:
                say(finding_text(reward.file, finding))
            repaired = ", after a repair" if reward.repaired else ""
            say(printable(f"{reward.file}: {reward.verdict}{repaired}"))
        at_most = "at most " if record.estimated else ""
        money = f"{at_most}{record.cost_usd:.4f} USD"
        say(f"{len(accepted)} of {len(record.rewards)} accepted, {money}")
        return 0 if accepted else 1
