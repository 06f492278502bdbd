"""``rewardgen list`` and ``rewardgen show RUN [CANDIDATE]``; import neither torch nor mujoco."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from rewardgen.cli.output import say, say_record
from rewardgen.store.collector import no_collection
from rewardgen.store.run_directory import RunSnapshot, find_run, read_run
from rewardgen.store.show import candidate_record, list_record, show_record
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
            say_record(record)
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
        with no_collection():  # what is read stays until it is printed
            run = read_run(find_run(self.run_name, self.runs_dir))
            if self.candidate is None:
                self._show(run)
            else:
                self._show_candidate(run, self.candidate)
        return 0

    def _show(self, run: RunSnapshot) -> None:
        record = show_record(run, code=self.json)
        if self.json:
            say_record(record)
            return
        from rewardgen.report.console import show_text

        say(show_text(record))

    def _show_candidate(self, run: RunSnapshot, name: str) -> None:
        found = candidate_record(run, name)
        if found is None:
            raise UsageError(_no_candidate(run, name))
        if self.json:
            say_record(found)
            return
        from rewardgen.report.console import candidate_text

        text = found.feedback
        say(candidate_text(found, "" if text is None else run.artifacts.read_text(text)))


def _no_candidate(run: RunSnapshot, name: str) -> str:
    state = run.state
    if state.started is not None and state.started.verb != "run":
        arms = ", ".join(arm.arm for trial in state.trials.values() for arm in trial.started.arms)
        return (
            f"'{run.name}' is a training run: it has arms ({arms or 'none yet'}), no "
            f"candidates; they are shown by: rewardgen show {run.name}"
        )
    return f"run '{run.name}' has no candidate '{name}'{nearest(name, list(state.candidates))}"
