"""``rewardgen doctor``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from rewardgen.cli.output import say, say_json


@dataclass(frozen=True)
class Doctor:
    """Say what this machine offers, and try it: physics, isolation, rendering, disk."""

    runs_dir: Path = Path("runs")
    """Where runs are kept."""
    json: bool = False
    """Print one JSON object: {"facts": [{name, ok, text}]}."""

    def run(self) -> int:
        """Do it and return the exit status: 0 also where something optional is missing."""
        from rewardgen.run.machine import examine

        facts = examine(self.runs_dir)
        if self.json:
            say_json({"facts": [asdict(fact) for fact in facts]})
        else:
            for fact in facts:
                say(f"{'ok  ' if fact.ok else 'LOOK'}  {fact.name:<10} {fact.text}")
        return 0
