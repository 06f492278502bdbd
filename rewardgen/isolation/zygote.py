"""The process that forks workers: it has imported torch already, so a worker starts in ~15 ms.

It is executed, not forked, from the trainer, and never runs a candidate's code. It has one
thread, which makes forking safe. When its owner goes away, it ends all workers and itself.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import time
from typing import cast

import torch

from rewardgen.isolation import worker
from rewardgen.isolation.channel import Channel, ChannelClosedError, Message, deadline_in
from rewardgen.isolation.confines import Confines
from rewardgen.isolation.memories import forget_packages
from rewardgen.isolation.protection import prepared, protect
from rewardgen.rewards.code import compile_reward, evaluate
from rewardgen.rewards.format import parse_reward
from rewardgen_envs.features import Feature, FeatureTable

_SEND_S = 60.0
_REAP_S = 5.0
_WARM_UP = """\
def compute_reward(state, action, next_state):
    x = tolerance(next_state.x[:, 0], margin=1.0) * torch.exp(-state.x.norm(dim=-1))
    return torch.where(x > 0.5, x, 0.0) - (action**2).sum(dim=-1), {"x": x}
"""


def run(owner: Channel, mode: str, confines: Confines) -> None:
    """Fork workers on request until the owner hangs up."""
    _warm_up()
    forget_packages()
    gc.collect()
    gc.freeze()  # workers share these pages
    zygote = _Zygote(owner, mode, confines)
    owner.send({"id": 0}, deadline_in(_SEND_S))
    try:
        while True:
            request, fds = owner.wait()
            owner.send({"id": request["id"], **zygote.answer(request, fds)}, deadline_in(_SEND_S))
    except ChannelClosedError:
        zygote.end_all()


def _warm_up() -> None:
    table = FeatureTable([Feature("x", (3,), "", "")])
    function = compile_reward(parse_reward(_WARM_UP))
    evaluate(function, table, torch.ones(8, 3), torch.ones(8, 2), torch.ones(8, 3))


class _Zygote:
    def __init__(self, owner: Channel, mode: str, confines: Confines) -> None:
        self._owner = owner
        self._mode = mode
        self._confines = confines
        self._rules = prepared(mode, confines)
        self._workers: set[int] = set()

    def answer(self, request: Message, fds: list[int]) -> Message:
        if request["op"] == "fork":
            return {"pid": self._fork(fds[0])}
        return {"status": self._reap(cast(int, request["pid"]))}

    def end_all(self) -> None:
        for pid in self._workers:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)

    def _fork(self, fd: int) -> int:
        zygote = os.getpid()
        pid = os.fork()
        if pid:
            os.close(fd)
            self._workers.add(pid)
            return pid
        try:  # the worker; nothing may return into the zygote's loop
            os.setsid()
            self._owner.close()
            worker.silence()
            channel = Channel(socket.socket(fileno=fd))
            worker.serve(channel, protect(self._mode, zygote, self._confines, self._rules))
        finally:
            os._exit(1)

    def _reap(self, pid: int) -> int | None:
        """Return how a worker that its owner has killed ended."""
        end = time.monotonic() + _REAP_S
        while time.monotonic() < end:
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                self._workers.discard(pid)
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.001)
        return None
