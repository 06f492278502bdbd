"""Writes the recorded curves of a run for the viewers that its configuration names."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from statistics import fmean

from rewardgen.config import WriterName
from rewardgen.run.writers.base import Backend, PolicyLog
from rewardgen.run.writers.tensorboard import tensorboard
from rewardgen.run.writers.weights_and_biases import weights_and_biases
from rewardgen.store.artifacts import ArtifactReader
from rewardgen.store.errors import StoreError
from rewardgen.store.payloads import Note
from rewardgen.store.run_directory import RunDirectory
from rewardgen.store.state import MemberState, RunState
from rewardgen_envs.errors import UsageError

BACKENDS: dict[WriterName, Backend] = {
    "tensorboard": tensorboard,
    "wandb": weights_and_biases,
}
# what an installation may lack: package → the extra that brings it
_EXTRAS: dict[WriterName, str] = {"wandb": "wandb"}


def check_writers(writers: Sequence[WriterName]) -> None:
    """Refuse a writer whose package is missing, before anything is trained for it.

    Raises:
        UsageError: names the extra to install.
    """
    for name in writers:
        if name in _EXTRAS and find_spec(name) is None:
            raise UsageError(
                f"writers: {name} is not installed; install the extra '{_EXTRAS[name]}' "
                f"(pip install -e '.[{_EXTRAS[name]}]'), or leave the writer out"
            )


def write_scalars(
    directory: RunDirectory, writers: Sequence[WriterName], note: Callable[[str], None]
) -> None:
    """Write the curves of every policy of a run, replacing what was there.

    A writer that fails costs its log, not the run: that is noted, and the others go on.

    Args:
        directory: the run, open for writing.
        writers: which; each once.
        note: shows a remark to the user.

    Raises:
        StoreError: a curve is damaged, or the note cannot be recorded.
    """
    for name in dict.fromkeys(writers):
        try:
            _write(directory, BACKENDS[name], note)
        except StoreError:
            raise
        except Exception as error:  # whatever another project's client raises
            told = " ".join(str(error).split()) or type(error).__name__
            message = f"the curves were not written for {name}: {told}"
            if message not in directory.state.notes:  # of an earlier attempt
                directory.append(Note(message=message))
            note(message)


def _write(directory: RunDirectory, backend: Backend, note: Callable[[str], None]) -> None:
    with backend(directory.path, note) as open_log:
        for log, member in _policies(directory.path.name, directory.state):
            rows = _rows(directory.artifacts, member)
            writer = open_log(log)
            try:
                for step in sorted(rows):
                    writer.add_scalars(rows[step], step)
            finally:
                writer.close()


def _policies(run: str, state: RunState) -> Iterator[tuple[PolicyLog, MemberState]]:
    """Yield every policy of a run: of the candidates, then of the trials' arms."""
    started = state.started
    assert started is not None, "only a run that was begun is written"
    groups = {name: c.members for name, c in state.candidates.items()}
    for trial in state.trials.values():
        groups |= {f"{trial.started.trial}-{arm}": m for arm, m in trial.members.items()}
    for source, members in groups.items():
        for place, member in enumerate(members.values()):
            identity = f"{run}/{state.started_wall}/{source}/{place}"
            log = PolicyLog(
                run=run,
                id=hashlib.sha256(identity.encode()).hexdigest()[:16],
                source=source,
                place=place,
                config={
                    "task": started.task.name,
                    "reward": source,
                    "train_seed": member.seed,
                    "config": started.config,
                    "recipe": started.recipe,
                },
            )
            yield log, member


def _rows(artifacts: ArtifactReader, member: MemberState) -> dict[int, dict[str, float]]:
    """Return env-steps → quantity → value: the curves, and the last evaluation's fitness."""
    rows: dict[int, dict[str, float]] = {}
    for artifact, index in member.curves:
        curves: dict[str, list[float | None]] = json.loads(artifacts.read_text(artifact))[index]
        steps = curves.pop("env_steps", [])  # none of a member that failed at once
        for name, values in curves.items():
            for step, value in zip(steps, values, strict=True):
                if step is not None and value is not None:
                    rows.setdefault(int(step), {})[name] = value
    if member.fitness:
        evaluated = rows.setdefault(member.checkpoint_step, {})
        evaluated |= {f"evaluation/{name}": fmean(v) for name, v in member.fitness.items()}
    return rows
