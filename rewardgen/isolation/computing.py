"""Whether a process that trains beside reward code can be locked here and still compute.

CUDA's driver opens files and makes system calls of its own, so that only trying tells.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import torch

from rewardgen.isolation.channel import (
    Channel,
    ChannelClosedError,
    ChannelGarbageError,
    ChannelTimeoutError,
    deadline_in,
)
from rewardgen.isolation.confines import Confines
from rewardgen.isolation.environment import of_locked_trainers
from rewardgen.isolation.processes import (
    START_S,
    Executed,
    HostUnavailable,
    parts_of,
    places,
    readable_paths,
)
from rewardgen.isolation.protection import Mode, Protection

MEMORY_BYTES = 2**36
_ANSWER_S = 60.0
_LONGEST = 300
# what NVIDIA's driver reads, and where it writes: its devices, and the names of its threads
_LIBRARIES = ("/usr/lib", "/usr/lib64", "/lib")
_READ = (
    "/etc/ld.so.cache",
    *(f"/proc/{name}" for name in ("self", "driver", "devices", "meminfo", "modules", "sys/vm")),
    "/sys",
)
_DEVICES = ("nvidia*", "nvidia-caps", "dxg")
_THREADS = "/proc/self/task"
_PHYSICS = ("mujoco", "mujoco_warp", "warp")


@dataclass(frozen=True)
class Trial:
    """What came of computing on a device.

    Attributes:
        protection: of the process that did.
        failure: why it could not; None if it could.
    """

    protection: Protection
    failure: str | None


def try_computing(device: str, mode: Mode) -> Trial:
    """Start a process, lock it like one with a trainer and reward code, and compute there.

    Args:
        device: as torch names it.
        mode: how much protects.
    """
    with tempfile.TemporaryDirectory() as scratch:
        confines = trainer_confines(device, (), scratch)
        try:
            process = Executed("compute", mode, confines, of_locked_trainers(scratch))
        except HostUnavailable as error:
            return Trial(Protection(()), str(error))
        try:
            process.channel.send({"id": 1, "device": device}, deadline_in(START_S))
            said = process.channel.receive(deadline_in(START_S + _ANSWER_S))
        except (ChannelClosedError, ChannelTimeoutError, ChannelGarbageError) as error:
            return Trial(Protection(()), process.last_words()[-_LONGEST:] or repr(error))
        finally:
            process.end()
    return Trial(Protection.reported(said), cast("str | None", said["failure"]))


def trainer_confines(device: str, starts: Sequence[str], scratch: str) -> Confines:
    """Return what a process is left with that trains beside reward code.

    Args:
        device: as torch names it.
        starts: the checkpoints that it starts from.
        scratch: where it may write.
    """
    readable, writable = [*readable_paths(), *places(_PHYSICS), *starts], [scratch]
    if device != "cpu":
        given = os.environ.get("LD_LIBRARY_PATH", "").split(":")
        folders = dict.fromkeys(os.path.realpath(f) for f in (*_LIBRARIES, *given) if f)
        readable += [*_READ, *(part for folder in folders for part in parts_of(folder))]
        devices = {str(path) for pattern in _DEVICES for path in Path("/dev").glob(pattern)}
        writable += [*sorted(devices), _THREADS]
    return Confines(MEMORY_BYTES, readable, writable, "worker")


def serve(channel: Channel, protection: Protection) -> None:
    """Compute once, in a process that is protected already.

    Args:
        channel: to whoever wants to know.
        protection: of this process.
    """
    request, _ = channel.wait()
    failure = None
    try:
        x = torch.ones(256, 256, device=str(request["device"]), requires_grad=True)
        (gradient,) = torch.autograd.grad((x @ x).square().mean(), x)
        if not bool(gradient.isfinite().all()):
            failure = "its numbers are wrong"
    except Exception as error:  # whatever a driver says when it is refused something
        failure = f"{type(error).__name__}: {error}".splitlines()[0][:_LONGEST]
    answer = {"id": request["id"], **asdict(protection), "failure": failure}
    channel.send(answer, deadline_in(_ANSWER_S))
