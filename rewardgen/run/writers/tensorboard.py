"""TensorBoard: ``tensorboard --logdir runs/NAME/tensorboard``."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rewardgen.run.writers.base import OpenLog, PolicyLog, ScalarWriter

if TYPE_CHECKING:  # imported when there is something to write
    from tensorboard.compat.proto.event_pb2 import Event

_FOLDER = "tensorboard"
_FILE = "events.out.tfevents.rewardgen"  # found by the first three words
_VERSION = "brain.Event:2"


class _Log:
    """A file of events, written at once.

    TensorBoard's own writer has a queue and a thread for each file; on a full disk the thread ends
    in a traceback, and whoever waits for the queue waits for ever.
    """

    def __init__(self, folder: Path) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.summary.writer.record_writer import RecordWriter

        self._event = Event
        folder.mkdir(parents=True)
        self._file = (folder / _FILE).open("wb")
        self._records = RecordWriter(self._file)
        self._write(self._event(wall_time=time.time(), file_version=_VERSION))

    def add_scalars(self, values: Mapping[str, float], step: int) -> None:
        event = self._event(wall_time=time.time(), step=step)
        for name, value in values.items():
            event.summary.value.add(tag=name, simple_value=value)
        self._write(event)

    def close(self) -> None:
        self._file.close()

    def _write(self, event: Event) -> None:
        self._records.write(event.SerializeToString())


@contextmanager
def tensorboard(run: Path, note: Callable[[str], None]) -> Generator[OpenLog]:
    """Write ``tensorboard/SOURCE/SEED`` into a run's directory, replacing what was there."""
    del note  # there is nothing to tell
    root = run / _FOLDER
    shutil.rmtree(root, ignore_errors=True)

    def open_log(log: PolicyLog) -> ScalarWriter:
        return _Log(root / log.name)

    yield open_log
