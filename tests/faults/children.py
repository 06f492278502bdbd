"""Commands of the product in processes of their own, with faults: what tests start and wait for."""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

from tests.faults.injection import Plan

ROOT = Path(__file__).parents[2]
_AT_FIRST = dict(os.environ)  # before any test changes it
_SHIM = Path(__file__).with_name("faulty_calls.c")


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        status: exit status, negative for a signal.
        out: what it wrote to stdout.
        err: what it wrote to stderr.
        count: how many calls its plan's site saw; None if it did not come to its end.
    """

    status: int
    out: str
    err: str
    count: int | None


@dataclass(frozen=True)
class Surroundings:
    """What a command finds around it.

    Attributes:
        environment: variables over those there are, or all there are.
        whole: whether they are all there are.
        cwd: where it runs.
        instant: whether pauses between questions to an endpoint take no time.
        reserve: whether it wants free space before it trains.
        files: how many files it may have open, 0 for as many as usual.
        versions: what packages say that they are.
        remembered: whether outcomes of jobs are looked up; else workers do them.
    """

    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    whole: bool = False
    cwd: Path = ROOT
    instant: bool = False
    reserve: bool = False
    files: int = 0
    versions: Mapping[str, str] = field(default_factory=dict[str, str])
    remembered: bool = True


def compile_shim(folder: Path) -> Path | None:
    """Return the library that makes system calls fail; None where it cannot be made."""
    compiler = shutil.which("cc")
    if sys.platform != "linux" or compiler is None:
        return None
    library = folder / "faulty_calls.so"
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(_SHIM), "-ldl"]
    done = subprocess.run(command, capture_output=True, check=False)
    return library if done.returncode == 0 else None


class Child:
    """A command at work.

    Args:
        nursery: whose it is.
        pid: its process.
        folder: where it writes.
    """

    def __init__(self, nursery: Nursery, pid: int, folder: Path) -> None:
        self._nursery = nursery
        self._folder = folder
        self.pid = pid

    def wait(self) -> Ended:
        """Wait for its end."""
        status = self._nursery.request({"wait": self.pid})
        count = self._folder / "count"
        out, err = ((self._folder / name).read_text(errors="replace") for name in ("out", "err"))
        return Ended(status, out, err, int(count.read_text()) if count.is_file() else None)


class Nursery:
    """Starts commands; a context manager that ends the process behind it.

    Args:
        folder: for what commands write, and for the outcomes of jobs that are known.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started = 0
        self.shim = compile_shim(folder)
        (folder / "memory").mkdir()

    def __enter__(self) -> Self:
        environment = {**_AT_FIRST, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        if self.shim is not None:
            environment["LD_PRELOAD"] = str(self.shim)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def request(self, request: Mapping[str, object]) -> int:
        """Send a request and return the answer."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the process that forks commands has ended; see its stderr"
        return int(answer)

    def start(
        self,
        arguments: Sequence[str],
        acknowledged: Path,
        plan: Plan | None = None,
        *,
        below: Path = Path("/nonexistent"),
        surroundings: Surroundings | None = None,
    ) -> Child:
        """Start a command of the product.

        Args:
            arguments: the verb and what follows it.
            acknowledged: file that gets a line for every committed event.
            plan: what goes wrong in it.
            below: folder whose files the plan is about.
            surroundings: what it finds around it.
        """
        self._started += 1
        folder = self._folder / f"command-{self._started}"
        folder.mkdir()
        around = surroundings or Surroundings()
        pid = self.request(
            {
                "arguments": list(arguments),
                "acknowledged": str(acknowledged),
                "plan": asdict(plan or Plan()),
                "below": str(below),
                "folder": str(folder),
                "memory": str(self._folder / "memory"),
                "environment": dict(around.environment),
                "whole": around.whole,
                "cwd": str(around.cwd),
                "instant": around.instant,
                "reserve": around.reserve,
                "files": around.files,
                "versions": dict(around.versions),
                "remembered": around.remembered,
            }
        )
        return Child(self, pid, folder)


@functools.cache
def nursery() -> Nursery:
    """Return what starts commands for all tests of this process."""
    stack = contextlib.ExitStack()
    atexit.register(stack.close)
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="nursery-"))
    return stack.enter_context(Nursery(Path(folder)))
