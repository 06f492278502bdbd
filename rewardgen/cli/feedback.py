"""``rewardgen feedback RUN "..."``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from rewardgen.cli.output import say, say_record
from rewardgen.store.records import FeedbackRecord


@dataclass(frozen=True)
class Feedback:
    """Say something about a run; its designer reads it in the next prompt."""

    run_name: tyro.conf.Positional[str]
    """Name of the run, or path of its folder."""
    text: tyro.conf.Positional[str]
    """What is good, what is to change."""
    candidate: str | None = None
    """Id of the candidate that it is about; by default the run as a whole."""
    runs_dir: Path = Path("runs")
    """Where runs are kept."""
    json: bool = False
    """End in one JSON object (docs/schemas/feedback.json)."""

    def run(self) -> int:
        """Do it and return the exit status."""
        from rewardgen.run.feedback import give_feedback

        iteration = give_feedback(self.run_name, self.text, self.candidate, self.runs_dir)
        if self.json:
            say_record(FeedbackRecord(iteration=iteration))
        else:
            say(f"noted; the prompts read it from iteration {iteration + 1} on")
        return 0
