"""``rewardgen list`` and ``rewardgen show RUN [CANDIDATE]``; import neither torch nor mujoco."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from rewardgen.cli.output import say, say_json
from rewardgen.store.records import ShowRecord
from rewardgen.store.run_directory import find_run, read_run
from rewardgen.store.show import list_record, show_record
from rewardgen_envs.errors import UsageError
from rewardgen_envs.names import nearest


@dataclass(frozen=True)
class ListRuns:
    """List runs, oldest first."""

    runs_dir: Path = Path("runs")
    """Where runs are kept."""
    json: bool = False
    """Print one JSON object (docs/schemas/list.json)."""

    def run(self) -> int:
        """Do it and return the exit status."""
        record = list_record(self.runs_dir)
        if self.json:
            say_json(record.model_dump(mode="json"))
            return 0
        from rewardgen.report.console import list_text

        say(list_text(record))
        return 0


@dataclass(frozen=True)
class ShowRun:
    """Show a run, or one of its candidates."""

    run_name: tyro.conf.Positional[str]
    """Name of the run, or path of its folder."""
    candidate: tyro.conf.Positional[str | None] = None
    """Id of a candidate: its code, feedback and fate."""
    runs_dir: Path = Path("runs")
    """Where runs are kept."""
    json: bool = False
    """Print one JSON object (docs/schemas/show.json)."""

    def run(self) -> int:
        """Do it and return the exit status.

        Raises:
            UsageError: no such run or candidate.
        """
        snapshot = read_run(find_run(self.run_name, self.runs_dir))
        record = show_record(snapshot)
        from rewardgen.report.console import candidate_text, show_text

        if self.candidate is None:
            if self.json:
                say_json(record.model_dump(mode="json"))
            else:
                say(show_text(record))
            return 0
        found = {c.id: c for c in record.candidates}.get(self.candidate)
        if found is None:
            raise UsageError(_no_candidate(record, self.candidate))
        if self.json:
            say_json(found.model_dump(mode="json"))
        else:
            text = found.feedback
            say(candidate_text(found, "" if text is None else snapshot.artifacts.read_text(text)))
        return 0


def _no_candidate(record: ShowRecord, name: str) -> str:
    if record.verb != "run":
        arms = ", ".join(arm.arm for arm in record.arms)
        return (
            f"'{record.run}' is a training run: it has arms ({arms or 'none yet'}), no "
            f"candidates; they are shown by: rewardgen show {record.run}"
        )
    hint = nearest(name, [c.id for c in record.candidates])
    return f"run '{record.run}' has no candidate '{name}'{hint}"
