"""What is looked at before a run is taken up again, and what is recorded and said of it."""

from __future__ import annotations

from collections.abc import Sequence

from rewardgen.isolation.doctor import ensure
from rewardgen.isolation.protection import IsolationError, Mode
from rewardgen.run.display import Display
from rewardgen.store import payloads as p
from rewardgen.store.manifest import collect_manifest, differences
from rewardgen.store.run_directory import RunDirectory
from rewardgen_envs.errors import UsageError
from rewardgen_envs.task import Task


def check_unchanged(task: Task, started: p.RunStarted) -> None:
    """Refuse to mix scores of two versions of a task.

    Raises:
        UsageError: scene or version differ from when the run started.
    """
    then = started.task
    if (task.version, task.scene_sha256) != (then.version, then.scene_sha256):
        raise UsageError(
            f"task '{then.name}' has changed since this run started (version {then.version}, "
            f"scene {then.scene_sha256[:12]}; now version {task.version}, scene "
            f"{task.scene_sha256[:12]}): its scores would not be comparable. Start a new run, or "
            "restore the task"
        )


def ensure_still(mode: Mode) -> None:
    """Check that the machine still offers the isolation that a run was begun with.

    Raises:
        IsolationError: it does not, and a run never goes on with less.
    """
    try:
        ensure(mode)
    except IsolationError as error:
        raise IsolationError(
            f"this run was begun with isolation '{mode}' and goes on with no less. {error} (with "
            "a new run)"
        ) from error


def take_up(
    directory: RunDirectory, started: p.RunStarted, command: Sequence[str], display: Display
) -> None:
    """Record that a run is taken up, and by what; say what differs from its start."""
    manifest = collect_manifest()
    changed = differences(started.manifest, manifest)
    directory.append(
        p.Resumed(
            command=tuple(command),
            isolation=p.Isolation(mode=started.isolation.mode),
            manifest=manifest,
        ),
        *([p.Note(message=changed)] if changed else []),
    )
    display.note(f"{directory.name} goes on, with the settings it was begun with")
    if changed:
        display.note(changed)
