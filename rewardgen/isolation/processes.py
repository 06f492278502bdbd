"""Starting and ending worker processes, seen from their owner.

Where forking is safe a zygote forks them; elsewhere each is executed anew, which takes as long
as importing torch. Either way they never inherit the owner's memory or environment.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Protocol, cast

from rewardgen.isolation import entry, environment
from rewardgen.isolation.channel import (
    Channel,
    ChannelClosedError,
    ChannelGarbageError,
    ChannelTimeoutError,
    Message,
    connected_pair,
    deadline_in,
)
from rewardgen.isolation.confines import Confines
from rewardgen.isolation.protection import Mode

START_S = 120.0  # importing torch from a cold disk takes long
_ANSWER_S = 30.0
_END_S = 5.0
_LAST_WORDS = 2000
_PACKAGES = re.compile(r"(site|dist)-packages|python\d.*")


class HostUnavailable(RuntimeError):
    """No worker process can be started: a fault of the installation or machine, of no reward."""


@dataclass(frozen=True)
class ProcessOptions:
    """What every worker is given.

    Attributes:
        mode: protections, see ``protection``.
        memory_bytes: private memory a worker may have.
    """

    mode: Mode
    memory_bytes: int


class Worker(Protocol):
    """A worker process."""

    @property
    def channel(self) -> Channel:
        """The connection to it."""
        ...

    def end(self) -> int | None:
        """Kill its process group and return how it ended, negative for a signal."""
        ...


class Launcher(Protocol):
    """Starts worker processes."""

    def start(self) -> Worker:
        """Start a worker.

        Raises:
            HostUnavailable: it cannot be started.
        """
        ...

    def close(self) -> None:
        """End everything that was started."""
        ...


class Executed:
    """A process that runs ``entry``.

    Args:
        role: ``zygote``; ``worker`` where forking is not safe; ``compute`` to try a device; or
            a module, see ``entry``.
        mode: protections, see ``protection``.
        confines: what it, or a worker that it forks, is left with.
        given: all of its environment.
        folder: where a module finds what it works on.

    Raises:
        HostUnavailable: it cannot be started.
    """

    def __init__(
        self, role: str, mode: Mode, confines: Confines, given: dict[str, str], folder: str = ""
    ) -> None:
        self.channel, theirs = connected_pair()
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        arguments = {
            "role": role,
            "owner": os.getpid(),
            "fd": theirs.fileno(),
            # a task may lie anywhere that its user can import from
            "paths": [*import_paths(), *(sys.path if folder else ())],
            "mode": mode,
            "confines": asdict(confines),
            "folder": folder,
        }
        # an argument has at most 128 KiB
        told: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        told.write(json.dumps(arguments).encode())
        told.seek(0)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", str(entry.__file__)],
                stdin=told,
                stdout=subprocess.DEVNULL,
                stderr=self._stderr,
                pass_fds=[theirs.fileno()],
                env=given,
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            self.channel.close()
            self._stderr.close()
            raise HostUnavailable(f"cannot start {sys.executable}: {error}") from error
        finally:
            theirs.close()
            told.close()

    def end(self) -> int | None:
        """Kill its process group and return how it ended, negative for a signal."""
        if self._process.returncode is None:  # else the id may be somebody else's by now
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self.channel.close()
        self._stderr.close()
        try:
            return self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            return None

    def close(self) -> None:
        """Hang up and wait: a zygote then ends its workers and itself."""
        self.channel.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_S)
        self.end()

    @property
    def running(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def last_words(self) -> str:
        """Return the end of what it wrote to stderr."""
        self._stderr.seek(0)
        return self._stderr.read().decode(errors="replace")[-_LAST_WORDS:].strip()


class Spawner:
    """Executes each worker anew."""

    def __init__(self, options: ProcessOptions) -> None:
        self._options = options
        self._workers: list[Executed] = []

    def start(self) -> Worker:
        """Start a worker.

        Raises:
            HostUnavailable: it cannot be started.
        """
        worker = _executed("worker", self._options)
        self._workers.append(worker)
        return worker

    def close(self) -> None:
        """End all workers."""
        for worker in self._workers:
            worker.end()


class Zygote:
    """Forks workers from one executed process that has imported torch."""

    def __init__(self, options: ProcessOptions) -> None:
        self._options = options
        self._process: Executed | None = None
        self._requests = 0

    def start(self) -> Worker:
        """Start a worker, and the zygote if there is none (any more).

        Raises:
            HostUnavailable: it cannot be started.
        """
        if self._process is None or not self._process.running:
            self.close()
            self._process = self._started()
        channel, theirs = connected_pair()
        try:
            answer = self._ask(self._process, {"op": "fork"}, theirs)
        except HostUnavailable:
            channel.close()
            raise
        finally:
            theirs.close()
        return _Forked(cast(int, answer["pid"]), channel, self, self._process)

    def close(self) -> None:
        """End the zygote; it ends its workers."""
        if self._process is not None:
            self._process.close()
            self._process = None

    def reap(self, process: Executed, pid: int) -> int | None:
        """Kill a worker's group and return how it ended; None if that is no longer known."""
        if process is not self._process or not process.running:
            return None  # workers end with their zygote; the id may be somebody else's now
        for kill in (os.kill, os.killpg):  # its group exists only once it has come so far
            with contextlib.suppress(ProcessLookupError, PermissionError):
                kill(pid, signal.SIGKILL)
        try:
            return cast("int | None", self._ask(process, {"op": "reap", "pid": pid})["status"])
        except HostUnavailable:
            return None

    def _started(self) -> Executed:
        process = _executed("zygote", self._options)
        try:
            process.channel.receive(deadline_in(START_S))
        except (ChannelClosedError, ChannelTimeoutError, ChannelGarbageError) as error:
            words = process.last_words()
            process.end()
            raise HostUnavailable(
                f"the process that starts reward hosts did not come up: {words or error!r}"
            ) from error
        return process

    def _ask(
        self, process: Executed, request: Message, given: socket.socket | None = None
    ) -> Message:
        self._requests += 1
        deadline = deadline_in(_ANSWER_S)
        fds = [] if given is None else [given.fileno()]
        try:
            process.channel.send({"id": self._requests, **request}, deadline, fds)
            return process.channel.receive(deadline)
        except (ChannelClosedError, ChannelTimeoutError, ChannelGarbageError) as error:
            words = process.last_words()
            process.end()
            raise HostUnavailable(
                f"the process that starts reward hosts is gone: {words or error!r}"
            ) from error


class _Forked:
    def __init__(self, pid: int, channel: Channel, zygote: Zygote, process: Executed) -> None:
        self._pid = pid
        self._channel = channel
        self._zygote = zygote
        self._process = process

    @property
    def channel(self) -> Channel:
        return self._channel

    def end(self) -> int | None:
        self._channel.close()
        return self._zygote.reap(self._process, self._pid)


def _executed(role: str, options: ProcessOptions) -> Executed:
    confines = Confines(options.memory_bytes, readable_paths())
    return Executed(role, options.mode, confines, environment.of_rewards())


def import_paths() -> list[str]:
    """Return where this process finds the packages that a worker imports."""
    names = ("rewardgen", "rewardgen_policies", "rewardgen_envs", "torch", "numpy", "jaxtyping")
    return list(dict.fromkeys(str(Path(place).parent) for place in places(names)))


def readable_paths() -> list[str]:
    """Return what a worker may read: libraries, parts of which load when they are first used.

    Not the folders that packages lie in: they hold whatever else is installed, and one of them is
    a part of the standard library's. A rule of the lock holds for all that is below a folder, so
    that the standard library is named part by part.
    """
    # nvidia: libraries of a GPU, which torch opens when it first needs them
    libraries = places(("torch", "numpy", "nvidia"))
    folders = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib")}
    standard = [part for folder in sorted(folders) for part in parts_of(folder)]
    return [*libraries, *standard, "/proc/cpuinfo", "/sys/devices/system/cpu"]


def parts_of(folder: str) -> list[str]:
    """Return what lies in a folder of libraries, but for folders of Python's packages."""
    try:
        names = sorted(os.listdir(folder))
    except OSError:  # as good as empty
        return []
    return [os.path.join(folder, name) for name in names if not _PACKAGES.fullmatch(name)]


def places(packages: Sequence[str]) -> list[str]:
    """Return the folders of packages."""
    specs = [importlib.util.find_spec(name) for name in packages]
    return [
        str(Path(location).resolve())
        for spec in specs
        if spec is not None
        for location in spec.submodule_search_locations or ()
    ]
