"""``rewardgen analyze RUN [CANDIDATE]``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from rewardgen.cli.output import complain, say, say_record


@dataclass(frozen=True)
class Analyze:
    """Say what the policies of a reward live on: ends, failures, terms, exploits, plausibility.

    Plays episodes with the stored policies and looks at the stored training curves; trains
    nothing. Figures, tables and the record go into the run's folder, and into its report.
    """

    run_name: tyro.conf.Positional[str]
    """Name of the run, or path of its folder."""
    candidate: tyro.conf.Positional[str | None] = None
    """Id of a candidate, or name of an arm: winner, human, …; by default the winner."""
    episodes: int = 40
    """Episodes to play, over all policies of the reward."""
    video: bool = False
    """Render the typical episode of each group of failures."""
    runs_dir: Path = Path("runs")
    """Where runs are kept."""
    json: bool = False
    """Print one JSON object (docs/schemas/analyze.json)."""

    def run(self) -> int:
        """Do it and return the exit status."""
        from rewardgen import api
        from rewardgen.export.choice import NoPolicyError
        from rewardgen_policies.seam import RewardFailure

        try:
            record = api.analyze(
                self.run_name,
                self.candidate,
                self.runs_dir,
                episodes=self.episodes,
                video=self.video,
            )
        except NoPolicyError as error:
            complain(str(error))
            return 1
        except RewardFailure as error:
            complain(f"the reward cannot score the episodes: {error}")
            return 1
        if self.json:
            say_record(record)
            return 0
        from rewardgen.report.analysis_text import analysis_text

        say(analysis_text(record))
        return 0
