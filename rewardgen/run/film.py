"""The video of a run: the winner's policy beside those of the human-written and sparse rewards."""

from __future__ import annotations

from pathlib import Path

from rewardgen.run.display import Display
from rewardgen.rungs.offscreen import RenderError
from rewardgen.rungs.video import VideoJob, render
from rewardgen.store import parts
from rewardgen.store import payloads as p
from rewardgen.store.artifacts import ArtifactReader
from rewardgen.store.run_directory import RunDirectory
from rewardgen.store.seeds import Purpose, derive_seed
from rewardgen.store.show import member_fitness
from rewardgen.store.state import RunState

_ARMS = ("winner", "human", "sparse")


def video_job(state: RunState, artifacts: ArtifactReader, output: Path) -> VideoJob:
    """Return the video of winner, human and sparse: the first confirmed policy of each.

    A training has no winner; its first three arms are shown. A search that is not confirmed yet
    shows the best three of its candidates so far.

    Raises:
        RenderError: the run has no trained policy yet.
    """
    started = state.started
    trials = [trial for name, trial in state.trials.items() if name != p.PLAYOFF]
    members = {arm: m for trial in trials for arm, m in trial.members.items()}
    policies = {
        arm: next((m.checkpoint for m in of_arm.values() if m.checkpoint is not None), None)
        for arm, of_arm in members.items()
    }
    found = {arm: checkpoint for arm, checkpoint in policies.items() if checkpoint is not None}
    if not found and started is not None:
        found = _best_candidates(state, started.task.metrics[0])
    order = _ARMS if started is not None and started.verb == "run" else tuple(found)
    chosen = [arm for arm in order if arm in found] or list(found)
    chosen = chosen[: len(_ARMS)]
    if started is None or not chosen:
        raise RenderError("no video: the run has no trained policy yet")
    own = None if state.inputs is None else state.inputs.fitness
    return VideoJob(
        task=str(started.config["task"]),
        labels=tuple(chosen),
        checkpoints=tuple(str(artifacts.path(found[arm])) for arm in chosen),
        eval_seed=derive_seed(started.seed, Purpose.VIDEO),
        fitness=None if own is None else artifacts.read_text(own),
        output=str(output),
    )


def _best_candidates(state: RunState, metric: parts.MetricFacts) -> dict[str, str]:
    """Return the candidates of a search that have a policy, best first, each with its first."""
    sign = 1.0 if metric.higher_is_better else -1.0
    scored: list[tuple[float, str, str]] = []
    for name, candidate in state.candidates.items():
        fitness = member_fitness(candidate.members.values(), metric.name)
        policies = [m.checkpoint for m in candidate.members.values() if m.checkpoint is not None]
        if fitness is not None and policies:
            scored.append((sign * fitness, name, policies[0]))
    scored.sort(key=lambda one: -one[0])
    return {name: policy for _, name, policy in scored}


def film(directory: RunDirectory, display: Display) -> None:
    """Render the video of a run and record it; a machine without GL only goes without."""
    display.note("rendering the video")
    output = directory.path / "video.mp4"
    try:
        render(video_job(directory.state, directory.artifacts, output))
    except RenderError as error:
        note = f"{error} Then 'rewardgen render {directory.name}' makes it."
        if note not in directory.state.notes:  # a resumed run tries again
            directory.append(p.Note(message=note))
        display.note(note)
        return
    video = directory.artifacts.put_file(output, media_type="video/mp4")
    directory.append(p.VideoRendered(source="winner", video=video))
