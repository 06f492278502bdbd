"""What is looked at before a run is taken up again, and what is recorded and said of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from rewardgen.config import TrainConfig
from rewardgen.isolation.doctor import ensure
from rewardgen.isolation.protection import IsolationError, Mode
from rewardgen.rewards.format import RewardCode, parse_reward, read_reward
from rewardgen.run.display import Display
from rewardgen.run.preflight import OWN_REWARDS
from rewardgen.store import parts
from rewardgen.store import payloads as p
from rewardgen.store.manifest import collect_manifest, differences
from rewardgen.store.run_directory import RunDirectory
from rewardgen_envs.base_task import BaseTask
from rewardgen_envs.errors import UsageError


def check_unchanged(task: BaseTask, started: p.RunStarted) -> None:
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


def hashes(texts: Mapping[str, str]) -> dict[str, str]:
    """Return the hash of each text."""
    return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}


def check_same_files(started: p.RunStarted, texts: Mapping[str, str]) -> None:
    """Refuse files that are no more what the run was begun with.

    Only for a run that was killed before it had kept copies of them.

    Args:
        started: how the run was begun.
        texts: what the files hold now.

    Raises:
        UsageError: names those that differ.
    """
    changed = [name for name, sha in hashes(texts).items() if started.files.get(name) != sha]
    if changed:
        raise UsageError(
            f"{', '.join(changed)} changed since this run was begun, and it was killed before it "
            "had kept a copy: restore what changed and resume, or start a run under another name"
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
            isolation=parts.Isolation(mode=started.isolation.mode),
            manifest=manifest,
        ),
        *([p.Note(message=changed)] if changed else []),
    )
    display.note(f"{directory.name} goes on, with the settings it was begun with")
    if changed:
        display.note(changed)


def stored_rewards(
    directory: RunDirectory, started: p.RunStarted, config: TrainConfig
) -> dict[str, RewardCode]:
    """Return the rewards that a training was given as files.

    Raises:
        UsageError: it was killed before they were stored, and they cannot be read again or have
            changed.
    """
    names = {stored.name: sha for sha, stored in directory.state.artifacts.items()}
    codes: dict[str, RewardCode] = {}
    for name in config.rewards:
        if name in OWN_REWARDS:
            continue
        if name in names:
            codes[name] = parse_reward(directory.artifacts.read_text(names[name]))
        else:  # killed before anything was trained
            codes[name] = read_reward(Path(name))
            check_same_files(started, {name: codes[name].source})
    return codes
