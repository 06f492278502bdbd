"""What works on a node of a cluster: jobs as text in, messages and files out.

Imports no cluster software: whoever brings jobs here calls ``Node``. A job is self-contained: the
checkpoints that it starts from come with it, and those that it makes go back.
"""

from __future__ import annotations

import hashlib
import importlib.util
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypedDict

import rewardgen
import rewardgen_envs
import rewardgen_policies
from rewardgen.rungs.executor import LocalExecutor
from rewardgen.rungs.jobs import JOB, EvaluateJob, LateAnswer, TrainJob, TrainResult
from rewardgen_envs.errors import UsageError

_LISTEN_S = 10.0
_PACKAGES = (rewardgen, rewardgen_policies, rewardgen_envs)


class ClusterError(UsageError):
    """A cluster that cannot be used; says which part of it, and why."""


def no_answer(address: str, why: Exception) -> ClusterError:
    """Return that a cluster cannot be reached."""
    return ClusterError(
        f"no Ray cluster answers at '{address}': {why}. 'ray status' tells whether one runs"
    )


class Message(TypedDict, total=False):
    """One thing a node has to tell of a job: progress, a late answer, or what came of it."""

    progress: tuple[int, int]
    late: dict[str, Any]
    result: str
    files: dict[str, bytes]


class Node:
    """Executes jobs on the machine it is on, in worker processes that stay.

    Args:
        threads: CPUs that are this node's share of the machine.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._folder = tempfile.TemporaryDirectory(prefix="rewardgen-node-")
        self._executor = LocalExecutor(Path(self._folder.name) / "jobs")

    def fingerprint(self) -> Iterator[str]:
        """Give a hash of the source code that runs here."""
        yield fingerprint()

    def train(self, text: str, checkpoints: list[bytes | None]) -> Iterator[Message]:
        """Train a share of a population; its checkpoints come back as files.

        Args:
            text: the job.
            checkpoints: what each member starts from.
        """
        job = JOB.validate_json(text)
        assert isinstance(job, TrainJob)
        paths = self._kept(checkpoints)
        members = tuple(
            member.model_copy(update={"checkpoint": path})
            for member, path in zip(job.members, paths, strict=True)
        )
        job = job.model_copy(update={"members": members, "threads": self._threads})
        messages: SimpleQueue[Message | Exception] = SimpleQueue()

        def progress(done: int, total: int) -> None:
            messages.put({"progress": (done, total)})

        def late(answer: LateAnswer) -> None:
            messages.put({"late": answer.model_dump(mode="json")})

        def work() -> Message:
            result, folder = self._executor.train("share", job, progress, late)
            return {"result": result.model_dump_json(), "files": _files(result, folder)}

        yield from _told(messages, work)

    def evaluate(self, text: str, checkpoints: list[bytes]) -> Iterator[Message]:
        """Evaluate policies in a process that never held a reward."""
        job = JOB.validate_json(text)
        assert isinstance(job, EvaluateJob)
        paths = tuple(str(path) for path in self._kept(list(checkpoints)))
        job = job.model_copy(update={"checkpoints": paths, "threads": self._threads})
        yield {"result": self._executor.evaluate("evaluation", job).model_dump_json()}

    def close(self) -> None:
        """End the workers."""
        self._executor.close()
        self._folder.cleanup()

    def _kept(self, checkpoints: list[bytes | None]) -> list[str | None]:
        """Write what members start from into files; return their paths."""
        paths: list[str | None] = []
        for number, data in enumerate(checkpoints):
            path = Path(self._folder.name) / f"start-{number}.safetensors"
            if data is not None:
                path.write_bytes(data)
            paths.append(None if data is None else str(path))
        return paths


def require_cluster(address: str) -> None:
    """Check that Ray is installed, and that somebody listens where a cluster is said to be.

    Ray itself tries for minutes, or for ever.

    Raises:
        ClusterError: it is not, or nobody does.
    """
    if importlib.util.find_spec("ray") is None:
        raise ClusterError(
            "a cluster needs the package ray, which comes with the extra 'ray': "
            "pip install -e '.[ray]'"
        )
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal() or "/" in host:
        return
    try:
        socket.create_connection((host, int(port)), _LISTEN_S).close()
    except OSError as error:
        raise no_answer(address, error) from error


def fingerprint() -> str:
    """Return a hash of the source code of all packages of this project."""
    digest = hashlib.sha256()
    for package in _PACKAGES:
        root = Path(str(package.__file__)).parent
        for file in sorted(root.rglob("*.py")):
            digest.update(str(file.relative_to(root)).encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()


def _told(
    messages: SimpleQueue[Message | Exception], work: Callable[[], Message]
) -> Iterator[Message]:
    """Do the work in a thread; yield what it says meanwhile, and at last what it returns."""

    def run() -> None:
        try:
            messages.put(work())
        except Exception as error:  # told where the messages are read
            messages.put(error)

    threading.Thread(target=run, daemon=True).start()
    while True:
        message = messages.get()
        if isinstance(message, Exception):
            raise message
        yield message
        if "result" in message:
            return


def _files(result: TrainResult, folder: Path) -> dict[str, bytes]:
    names = [member.checkpoint for member in result.members if member.checkpoint is not None]
    return {name: (folder / name).read_bytes() for name in names}
