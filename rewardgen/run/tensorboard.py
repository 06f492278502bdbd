"""TensorBoard scalars: one log per member, written from the recorded curves."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Protocol, cast

from rewardgen.store.atomic import clear_errors
from rewardgen.store.run_directory import RunDirectory
from rewardgen.store.state import MemberState

_FOLDER = "tensorboard"


class _ScalarWriter(Protocol):
    """The part of TensorBoard's writer in use; torch leaves its types out."""

    def add_scalar(self, tag: str, value: float, step: int) -> None: ...

    def close(self) -> None: ...


def write_scalars(directory: RunDirectory) -> None:
    """Write ``tensorboard/SOURCE/SEED`` for every member of a run, replacing what was there.

    Raises:
        StoreError: a curve is damaged, or the files cannot be written.
    """
    root = directory.path / _FOLDER
    shutil.rmtree(root, ignore_errors=True)
    state = directory.state
    groups = {name: c.members for name, c in state.candidates.items()}
    for trial in state.trials.values():
        groups |= {f"{trial.started.trial}-{arm}": m for arm, m in trial.members.items()}
    for name, members in groups.items():
        for index, member in enumerate(members.values()):
            folder = root / name / f"seed-{index}"
            with clear_errors(folder):
                _write_member(directory, folder, member)


def _write_member(directory: RunDirectory, folder: Path, member: MemberState) -> None:
    from torch.utils.tensorboard.writer import SummaryWriter

    writer = cast(_ScalarWriter, SummaryWriter(str(folder)))
    for artifact, index in member.curves:
        curves: dict[str, list[float | None]] = json.loads(directory.artifacts.read_text(artifact))[
            index
        ]
        steps = curves.pop("env_steps", [])  # none of a member that failed at once
        for name, values in curves.items():
            for step, value in zip(steps, values, strict=True):
                if step is not None and value is not None:
                    writer.add_scalar(name, value, int(step))
    writer.close()
