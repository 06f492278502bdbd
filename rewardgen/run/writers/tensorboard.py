"""TensorBoard: ``tensorboard --logdir runs/NAME/tensorboard``."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, cast

from rewardgen.run.writers.base import OpenLog, PolicyLog, ScalarWriter

_FOLDER = "tensorboard"


class _SummaryWriter(Protocol):
    """The part of TensorBoard's writer in use; torch leaves its types out."""

    def add_scalar(self, tag: str, value: float, step: int) -> None: ...

    def close(self) -> None: ...


class _Log:
    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard.writer import SummaryWriter

        self._writer = cast(_SummaryWriter, SummaryWriter(str(folder)))

    def add_scalars(self, values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        self._writer.close()


@contextmanager
def tensorboard(run: Path, note: Callable[[str], None]) -> Generator[OpenLog]:
    """Write ``tensorboard/SOURCE/SEED`` into a run's directory, replacing what was there."""
    del note  # there is nothing to tell
    root = run / _FOLDER
    shutil.rmtree(root, ignore_errors=True)

    def open_log(log: PolicyLog) -> ScalarWriter:
        return _Log(root / log.name)

    yield open_log
