"""What people say about a run, on its way to the next prompt; needs neither torch nor mujoco."""

from __future__ import annotations

from pathlib import Path

from rewardgen.report.text import printable
from rewardgen.store.feedback_notes import leave_note
from rewardgen.store.payloads import RunStarted
from rewardgen.store.run_directory import find_run, read_run
from rewardgen_envs.errors import UsageError
from rewardgen_envs.names import nearest

READERS = ("llm", "manual")
"""Designers that read words."""


def give_feedback(
    reference: str, text: str, candidate: str | None = None, runs_dir: Path = Path("runs")
) -> int:
    """Leave a note for a run's designer, also while the run is going on.

    Args:
        reference: name of the run, or path of its folder.
        text: what is good, what is to change.
        candidate: id of the candidate that it is about, or None.
        runs_dir: where runs are kept.

    Returns:
        The first iteration whose prompts may hold it, from 0.

    Raises:
        UsageError: no such run or candidate, no text, or nobody will read it.
        StoreError: the run cannot be read or the note not be written.
    """
    snapshot = read_run(find_run(reference, runs_dir))
    state, name = snapshot.state, snapshot.name
    started = state.started
    assert started is not None, "a snapshot is of a run that was begun"
    if not text.strip():
        raise UsageError("the feedback is empty: say what is good, or what is to change")
    if started.designer not in READERS:
        raise UsageError(
            f"nobody would read it: '{name}' has designer {started.designer or 'none'}; "
            f"{' and '.join(READERS)} read words"
        )
    if candidate is not None and candidate not in state.candidates:
        hint = nearest(candidate, state.candidates)
        raise UsageError(f"run '{name}' has no candidate '{candidate}'{hint}")
    following = max(state.iterations, default=-1) + 1
    if following >= _rounds(started) or state.winner is not None:
        raise UsageError(
            f"no prompt follows in '{name}': refine its winner with 'rewardgen generate "
            "--start FILE --feedback TEXT', or start a run with --start FILE"
        )
    leave_note(snapshot.path, printable(text.strip()), candidate)
    return following


def _rounds(started: RunStarted) -> int:
    """Return the iterations that a run comes to."""
    iterations = started.config["iterations"]
    assert isinstance(iterations, int), "the configuration of a search"
    return iterations + (started.config.get("start") is not None)
