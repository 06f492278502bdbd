"""Runs jobs on this machine: worker processes that train, and one that evaluates.

The evaluating worker never holds a reward, so no candidate can touch a score. A worker that
dies or is stuck is replaced once per job; a second one that does is an infrastructure failure,
never the fault of a reward.
"""

from __future__ import annotations

import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol, Self

from rewardgen.isolation.environment import of_workers
from rewardgen.rewards.fitness import FitnessError
from rewardgen.rungs.folders import remove
from rewardgen.rungs.jobs import (
    EvaluateJob,
    EvaluateResult,
    LateAnswer,
    SurveyJob,
    SurveyResult,
    TrainJob,
    TrainResult,
    read_result,
    write_job,
)
from rewardgen.rungs.shares import Share, divide, join, processes
from rewardgen.rungs.side_by_side import Late, Progress, side_by_side


@dataclass(frozen=True)
class Patience:
    """How long a worker may report nothing before it counts as stuck, in seconds.

    A worker reports what it has done, after each update or during an episode; one that is stopped
    or hangs does not, whatever its threads do.

    Attributes:
        first_s: until its first report on a job, in which it loads its libraries.
        least_s: between later ones, at least: longer than a reward may take for a call.
        factor: so many times its longest silence so far, if that is more.
    """

    first_s: float = 300.0
    least_s: float = 120.0
    factor: float = 20.0

    def allowed_s(self, longest_s: float | None) -> float:
        """Return the time until the next report.

        Args:
            longest_s: the longest silence after the first one, None before that.
        """
        return self.first_s if longest_s is None else max(self.least_s, self.factor * longest_s)


class ExecutorError(RuntimeError):
    """A worker could not do its job for a reason that no reward is to blame for."""


class _WorkerDied(RuntimeError):
    """A worker process ended in the middle of a job."""


class _Worker:
    """A process that takes job directories on stdin and reports JSON lines on stdout."""

    def __init__(self, role: str, patience: Patience, starter: ThreadPoolExecutor) -> None:
        self._role = role
        self._patience = patience
        self._heard = b""
        # as long as the process lives; a pipe that nobody reads would block it
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = starter.submit(self._start).result()

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "rewardgen.rungs.worker_process", self._role, str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            bufsize=0,
            start_new_session=True,
            env=of_workers(),
        )

    def run(self, directory: Path, progress: Progress, late: Late) -> None:
        """Do one job.

        Raises:
            _WorkerDied: the process ended before the job did, or was stuck.
            FitnessError: the user's own fitness fails.
            ExecutorError: the job cannot be done, with the worker's message.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"job": str(directory)}).encode() + b"\n")
        except BrokenPipeError:
            raise self._death() from None
        longest_s: float | None = None
        while True:
            since = time.monotonic()
            message = json.loads(self._line(self._patience.allowed_s(longest_s)))
            silence_s = time.monotonic() - since
            longest_s = 0.0 if longest_s is None else max(longest_s, silence_s)
            match message["event"]:
                case "alive":
                    pass
                case "progress":
                    progress(int(message["done"]), int(message["total"]))
                case "late":
                    del message["event"]
                    late(LateAnswer.model_validate(message))
                case "unfit":
                    raise FitnessError(str(message["message"]))
                case "done":
                    return
                case _:
                    raise ExecutorError(str(message["message"]))

    def _line(self, allowed_s: float) -> bytes:
        """Wait for a line.

        Raises:
            _WorkerDied: the process has ended, or says nothing for too long.
        """
        assert self._process.stdout is not None
        end = time.monotonic() + allowed_s
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._heard:
                if not selector.select(max(0.0, end - time.monotonic())):
                    self.stop()
                    raise _WorkerDied(
                        f"the {self._role} process was stuck: it reported nothing for "
                        f"{allowed_s:.3g} s and was ended"
                    )
                data = self._process.stdout.read(65536)
                if not data:
                    raise self._death()
                self._heard += data
        line, _, self._heard = self._heard.partition(b"\n")
        return line

    def _death(self) -> _WorkerDied:
        code = self._process.wait()
        self._log.seek(0)
        tail = self._log.read()[-2000:].decode(errors="replace").strip()
        return _WorkerDied(f"the {self._role} process ended with status {code}: {tail}")

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def stop(self) -> None:
        """End the process and everything it started."""
        if self.alive:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._log):
            if stream is not None:
                stream.close()


class Executor(Protocol):
    """Executes jobs, here or elsewhere; the same job gives the same everywhere."""

    def train(
        self, name: str, job: TrainJob, progress: Progress, late: Late
    ) -> tuple[TrainResult, Path]:
        """Train a rung; return the result and the directory of its checkpoints."""
        ...

    def evaluate(self, name: str, job: EvaluateJob) -> EvaluateResult:
        """Evaluate policies in a process that never ran candidate code."""
        ...

    def survey(self, name: str, job: SurveyJob) -> SurveyResult:
        """Roll out random actions."""
        ...


class LocalExecutor:
    """Executes jobs in worker processes of this machine; use as a context manager.

    Args:
        workspace: folder for job directories; made on first use.
        trainers: how many processes that train to start at once; more come when they are needed.
        patience: how long a worker may report nothing.
    """

    def __init__(
        self, workspace: Path, trainers: int = 0, patience: Patience | None = None
    ) -> None:
        self._workspace = workspace
        self._trainers = trainers
        self._patience = patience or Patience()
        self._workers: dict[tuple[str, int], _Worker] = {}
        # a worker is killed by the kernel when the thread ends that started it, so that one
        # has to live as long as this process or executor
        self._starter = ThreadPoolExecutor(max_workers=1)

    def __enter__(self) -> Self:
        # they load their libraries while the first job is prepared
        self._worker("evaluate", 0)
        for slot in range(self._trainers):
            self._worker("train", slot)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop all workers; no job can follow."""
        self._stop_workers()
        self._starter.shutdown()

    def _stop_workers(self) -> None:
        # a thread that trains a share may be about to start another one
        while self._workers:
            self._workers.popitem()[1].stop()

    def train(
        self, name: str, job: TrainJob, progress: Progress, late: Late
    ) -> tuple[TrainResult, Path]:
        """Train a rung; return the result and the directory of its checkpoints.

        Raises:
            ExecutorError: the worker failed twice.
        """
        directory = (self._workspace / name).resolve()
        shares = divide(job, processes(len(job.members), job.threads, job.engines))
        folders = [f"share-{slot}" for slot in range(len(shares))]
        abandoned = threading.Event()

        def work(slot: int, share: Share, told: Progress, told_late: Late) -> TrainResult:
            place = ("train", slot)
            result = self._run(
                place, directory / folders[slot], share.job, told, told_late, abandoned
            )
            assert isinstance(result, TrainResult)
            return result

        try:
            results = side_by_side(shares, work, progress, late)
        except BaseException:
            abandoned.set()
            self._stop_workers()
            raise
        return join(results, folders), directory

    def evaluate(self, name: str, job: EvaluateJob) -> EvaluateResult:
        """Evaluate policies in a process that never ran candidate code.

        Raises:
            ExecutorError: the worker failed twice.
            FitnessError: the user's own fitness fails.
        """
        directory = (self._workspace / name).resolve()
        result = self._run(("evaluate", 0), directory, job, _ignore, _ignore_late)
        shutil.rmtree(directory)
        assert isinstance(result, EvaluateResult)
        return result

    def survey(self, name: str, job: SurveyJob) -> SurveyResult:
        """Roll out random actions.

        Raises:
            ExecutorError: the worker failed twice.
            FitnessError: the user's own fitness fails.
        """
        directory = (self._workspace / name).resolve()
        result = self._run(("evaluate", 0), directory, job, _ignore, _ignore_late)
        shutil.rmtree(directory)
        assert isinstance(result, SurveyResult)
        return result

    def _run(
        self,
        place: tuple[str, int],
        directory: Path,
        job: TrainJob | EvaluateJob | SurveyJob,
        progress: Progress,
        late: Late,
        abandoned: threading.Event | None = None,
    ) -> TrainResult | EvaluateResult | SurveyResult:
        fired: list[LateAnswer] = []

        def note(answer: LateAnswer) -> None:
            late(answer)
            fired.append(answer)

        for attempt in (1, 2):
            if abandoned is not None and abandoned.is_set():
                raise ExecutorError("another share of the job failed, or it was interrupted")
            if directory.exists():  # what is left of an attempt that did not end
                remove(directory)
            if isinstance(job, TrainJob):
                # what one process did not survive is done by several
                job = job.model_copy(
                    update={"late": (*job.late, *fired), "together": attempt == 1 and job.together}
                )
            write_job(directory, job)
            try:
                self._worker(*place).run(directory, progress, note)
            except _WorkerDied as death:
                if attempt == 2:
                    name = directory.relative_to(self._workspace.resolve())
                    raise ExecutorError(f"job {name} failed twice; {death}") from death
            else:
                break
        return read_result(directory)

    def _worker(self, role: str, slot: int) -> _Worker:
        worker = self._workers.get((role, slot))
        if worker is None or not worker.alive:
            if worker is not None:
                worker.stop()
            worker = self._workers[role, slot] = _Worker(role, self._patience, self._starter)
        return worker


def _ignore(done: int, total: int) -> None:
    del done, total


def _ignore_late(answer: LateAnswer) -> None:
    del answer
