"""``rewardgen resume RUN``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from rewardgen.cli.output import finish
from rewardgen.store.run_directory import find_run


@dataclass(frozen=True)
class Resume:
    """Go on with an interrupted or failed run where it stopped."""

    run_name: tyro.conf.Positional[str]
    """Name of the run, or path of its folder."""
    runs_dir: Path = Path("runs")
    """Where runs are kept."""
    json: bool = False
    """End in one JSON object (docs/schemas/show.json)."""

    def run(self) -> int:
        """Do it and return the exit status."""
        from rewardgen import api

        command = ("rewardgen", "resume", self.run_name)
        return finish(
            lambda: api.resume(self.run_name, self.runs_dir, command=command),
            json=self.json,
            path=find_run(self.run_name, self.runs_dir),
        )
