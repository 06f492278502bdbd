"""Processes of a rival: each takes jobs as JSON lines and answers each with one JSON line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import Any

Job = dict[str, Any]
Answer = dict[str, Any]
ROOT = Path(__file__).parents[2]
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
_PACKAGES = ("stable_baselines3", "gymnasium", "mujoco", "torch")


def versions() -> dict[str, str]:
    """Return the versions that a rival's results depend on."""
    return {name: version(name) for name in _PACKAGES}


class Process:
    """A process with one torch thread.

    Args:
        module: what it runs; calls ``serve``.
        arguments: its command line.
    """

    def __init__(self, module: str, arguments: Sequence[str]) -> None:
        self._began = time.perf_counter()
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, **_ONE_THREAD},
            text=True,
        )

    def ready(self) -> float:
        """Wait until it takes jobs; return the seconds since its start.

        Raises:
            RuntimeError: it ended.
        """
        self._answer()
        return time.perf_counter() - self._began

    def do(self, job: Job) -> Answer:
        """Do one job.

        Raises:
            RuntimeError: the process ended; what it said is on stderr.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()

    def _answer(self) -> Answer:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a rival's process ended with status {self._process.wait()}")
        return json.loads(line)


@contextmanager
def started(module: str, arguments: Sequence[str], count: int) -> Generator[list[Process]]:
    """Start so many processes together; end them at the end."""
    with ExitStack() as stack:
        processes: list[Process] = []
        for _ in range(count):
            processes.append(Process(module, arguments))
            stack.callback(processes[-1].close)
        yield processes


def together(processes: Sequence[Process], job: Job) -> list[Answer]:
    """Let all processes do the same job at the same time."""
    with ThreadPoolExecutor(len(processes)) as pool:
        return list(pool.map(lambda process: process.do(job), processes))


def share(
    processes: Sequence[Process], jobs: Iterable[Job], done: Callable[[Job, Answer], None]
) -> None:
    """Let every process take the next job when it is free; ``done`` is called for one at a time."""
    waiting, lock = iter(jobs), Lock()

    def work(process: Process) -> None:
        while True:
            with lock:
                job = next(waiting, None)
            if job is None:
                return
            answer = process.do(job)
            with lock:
                done(job, answer)

    with ThreadPoolExecutor(len(processes)) as pool:
        list(pool.map(work, processes))


def serve(do: Callable[[Job], Answer]) -> None:
    """Answer jobs until stdin ends; the body of a process."""
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints must not look like an answer
    channel.write("{}\n")
    channel.flush()
    for line in sys.stdin:
        channel.write(json.dumps(do(json.loads(line)), allow_nan=False) + "\n")
        channel.flush()
