"""Which policies of a run are worth a video."""

from __future__ import annotations

from pathlib import Path

from rewardgen.rungs.video import VideoError, VideoJob
from rewardgen.store.artifacts import ArtifactReader
from rewardgen.store.seeds import Purpose, derive_seed
from rewardgen.store.state import RunState

_ARMS = ("winner", "human")


def video_job(state: RunState, artifacts: ArtifactReader, output: Path) -> VideoJob:
    """Return the video of winner and human: the first confirmed policy of each.

    A training without a search has no winner; its first two arms are shown.

    Raises:
        VideoError: the run has no trained policy yet.
    """
    started = state.started
    members = {arm: m for trial in state.trials.values() for arm, m in trial.members.items()}
    policies = {
        arm: next((m.checkpoint for m in of_arm.values() if m.checkpoint is not None), None)
        for arm, of_arm in members.items()
    }
    found = {arm: checkpoint for arm, checkpoint in policies.items() if checkpoint is not None}
    chosen = [arm for arm in _ARMS if arm in found] or list(found)[:2]
    if started is None or not chosen:
        raise VideoError("no video: the run has no confirmed policy yet")
    return VideoJob(
        task=str(started.config["task"]),
        labels=tuple(chosen),
        checkpoints=tuple(str(artifacts.path(found[arm])) for arm in chosen),
        eval_seed=derive_seed(started.seed, Purpose.VIDEO),
        output=str(output),
    )
