"""The owner's side of a worker: starts it, asks with a deadline, and ends it whatever happens."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from rewardgen_envs.adapters.isaac.rewardgen_worker.protocol import (
    VERSION,
    Message,
    ProtocolError,
    VersionError,
    check_version,
    encode,
    read_message,
)

WORKER_FOLDER = Path(__file__).parent
"""On the worker's ``PYTHONPATH``: there ``rewardgen_worker`` is found."""
_PIECE = 1 << 20
_GOODBYE_S = 5.0
_TAIL_BYTES = 2000


class WorkerError(RuntimeError):
    """The worker is of no use any more, and was ended; says why and what it printed last."""


class WorkerDied(WorkerError):
    """Its process ended."""


class WorkerSilent(WorkerError):
    """It did not answer, or not read what it was asked, before the deadline."""


class WorkerGarbage(WorkerError):
    """What it sent is not of the protocol."""


class WorkerVersion(WorkerError):
    """It speaks another version of the protocol."""


class WorkerFailed(WorkerError):
    """It reported an error of its own."""


class WorkerProcess:
    """A worker, started and greeted.

    Args:
        command: starts it: the simulator's Python and a script that calls ``serve``.
        deadline_s: for its greeting.

    Raises:
        WorkerError: it cannot be started, or does not answer as a worker of this version.
    """

    def __init__(self, command: Sequence[str], deadline_s: float) -> None:
        paths = [str(WORKER_FOLDER), *filter(None, [os.environ.get("PYTHONPATH")])]
        self._log = tempfile.TemporaryFile()  # noqa: SIM115, closed with the worker
        try:
            self._process = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
                start_new_session=True,  # so that what it starts can be ended with it
            )
        except OSError as error:
            self._log.close()
            raise WorkerDied(f"cannot start {command[0]}: {error.strerror}") from error
        assert self._process.stdin is not None and self._process.stdout is not None
        self._input, self._output = self._process.stdin, self._process.stdout
        for file in (self._input, self._output):
            os.set_blocking(file.fileno(), False)
        self._ended: WorkerError | None = None
        self.ask("HELLO", {"version": VERSION}, deadline_s=deadline_s)

    def ask(
        self,
        kind: str,
        fields: Mapping[str, Any] | None = None,
        arrays: Mapping[str, np.ndarray[Any, Any]] | None = None,
        *,
        deadline_s: float,
    ) -> Message:
        """Send a message and return the answer.

        Raises:
            WorkerError: it gave none that can be used; the worker was ended.
        """
        if self._ended is not None:
            raise type(self._ended)(f"the worker was ended before: {self._ended}")
        until = time.monotonic() + deadline_s
        try:
            self._write(encode(Message(kind, dict(fields or {}), dict(arrays or {}))), until)
            answer = read_message(lambda count: self._read(count, until))
            if answer.kind == "ERROR":
                theirs = answer.fields.get("version", VERSION)
                if theirs != VERSION:
                    raise VersionError(str(answer.fields.get("text")))
                raise self._end(WorkerFailed(f"the worker reports {answer.fields.get('text')}"))
            if kind == "HELLO":
                check_version(answer)
        except VersionError as error:
            raise self._end(WorkerVersion(str(error))) from error
        except ProtocolError as error:
            raise self._end(WorkerGarbage(f"the worker sent no message: {error}")) from error
        except TimeoutError:
            text = f"the worker did not answer {kind} within {deadline_s:.3g} s"
            raise self._end(WorkerSilent(text)) from None
        except (EOFError, BrokenPipeError):
            raise self._end(WorkerDied("the worker ended")) from None
        return answer

    def give_up(self, text: str) -> WorkerGarbage:
        """End a worker whose answers make no sense; return the error that says so."""
        reason = self._end(WorkerGarbage(text))
        return WorkerGarbage(str(reason))

    @property
    def running(self) -> bool:
        """Whether its process is there."""
        return self._process.poll() is None

    def close(self) -> None:
        """Say goodbye, and end it if it does not go."""
        if self._ended is None:
            with contextlib.suppress(WorkerError):
                self.ask("SHUTDOWN", deadline_s=_GOODBYE_S)
                self._input.close()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(_GOODBYE_S)
        self._end(WorkerDied("it was closed"))

    def __enter__(self) -> WorkerProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        del kind, error, trace
        self.close()

    def _write(self, data: bytes, until: float) -> None:
        view, sent = memoryview(data), 0
        with selectors.DefaultSelector() as ready:
            ready.register(self._input, selectors.EVENT_WRITE)
            while sent < len(view):
                _wait(ready, until)
                with contextlib.suppress(BlockingIOError):
                    sent += os.write(self._input.fileno(), view[sent : sent + _PIECE])

    def _read(self, count: int, until: float) -> bytes:
        parts: list[bytes] = []
        with selectors.DefaultSelector() as ready:
            ready.register(self._output, selectors.EVENT_READ)
            while count:
                _wait(ready, until)
                with contextlib.suppress(BlockingIOError):
                    part = os.read(self._output.fileno(), min(count, _PIECE))
                    if not part:
                        raise EOFError
                    parts.append(part)
                    count -= len(part)
        return b"".join(parts)

    def _end(self, reason: WorkerError) -> WorkerError:
        """End the process and all that it started; return the reason with what it printed last."""
        if self._ended is not None:
            return self._ended
        if isinstance(reason, WorkerDied):  # its last words and status may be under way
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(1.0)
        status = self._process.poll()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for file in (self._input, self._output):
            with contextlib.suppress(OSError):
                file.close()
        how = "" if status is None else f" with status {status}"
        self._ended = type(reason)(f"{reason}{how}{self._last_words()}")
        self._log.close()
        return self._ended

    def _last_words(self) -> str:
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, size - _TAIL_BYTES))
        words = self._log.read().decode(errors="replace").strip()
        return f"; it printed last:\n{words}" if words else ""


def _wait(ready: selectors.BaseSelector, until: float) -> None:
    left = until - time.monotonic()
    if left <= 0.0 or not ready.select(left):
        raise TimeoutError
