"""``rewardgen check FILE``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from rewardgen.cli.flags import one_of
from rewardgen.cli.output import say, say_record
from rewardgen.isolation.protection import Mode
from rewardgen_envs.settings_file import read_value

Stage = Literal["gate", "probe"]
Switch = Literal["on", "off"]


@dataclass(frozen=True)
class Check:
    """Check a reward file, without training: static gate, then a probe in a reward host.

    With a wrapper, also whether that fits: its parameters, and the terms that it reads.
    """

    file: tyro.conf.Positional[Path]
    """Reward file, or a designer's reply with one fenced block."""
    task: str | None = None
    """Installed task, path/to/file.py:Class or path/to/map.yaml; needed by the probe."""
    stage: Annotated[Stage | None, one_of("--stage", Stage)] = None
    """Run this stage alone; by default all."""
    gate: Annotated[Switch, one_of("--gate", Switch)] = "on"
    """Whether the static gate is asked; without it the process that holds the code stands alone."""
    wrapper: str | None = None
    """What is put around the reward: NAME, or {name: NAME, ...} with its parameters."""
    isolation: Annotated[Mode, one_of("--isolation", Mode)] = "standard"
    """How the reward is kept from this machine."""
    json: bool = False
    """Print one JSON object (docs/schemas/check.json)."""

    def run(self) -> int:
        """Do it and return the exit status: 0 if accepted, else 1."""
        from rewardgen import api
        from rewardgen.report.text import finding_text

        wrapper = None if self.wrapper is None else read_value(self.wrapper)
        record = api.check(
            self.file,
            self.task,
            stage=self.stage,
            gate=self.gate == "on",
            isolation=self.isolation,
            wrapper=wrapper,
        )
        if self.json:
            say_record(record)
        else:
            for finding in record.findings:
                say(finding_text(str(self.file), finding))
            say(record.verdict)
        return 0 if record.verdict == "accepted" else 1
