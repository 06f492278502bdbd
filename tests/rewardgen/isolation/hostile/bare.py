"""Runs rewards with nothing around them: what the suite's control runs compare with.

Run as a script. Each request, a JSON object a line, is answered by a line. Each reward runs in a
fork, within a trainer that passes views of its own tensors and keeps its key in memory: careless,
but what a script does that executes generated code.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import resource
import signal
import sys
import threading
import time
import traceback
from typing import cast

import torch
from torch import Tensor

from rewardgen.rewards.code import EvaluationError, Output, compile_reward, evaluate
from rewardgen.rewards.format import parse_reward
from rewardgen_envs.features import FeatureTable
from tests.rewardgen.isolation.hostile.canary import decoded
from tests.rewardgen.isolation.hostile.fingerprint import changed, fingerprint
from tests.rewardgen.isolation.hostile.robot import ROBOT
from tests.rewardgen.isolation.hostile.snippets import ESCAPED

ROWS, CALLS = 64, 2
MOST_BYTES = 2**30
_MOST_SAID = 60_000
_LATER_S = 0.1
_dumps, _write = json.dumps, os.write  # as they were before any reward ran


class Trainer:
    """What a script would hold that trains in the same process.

    Args:
        secret: numbers that only the fitness may read.
        key: of a language model.
    """

    def __init__(self, secret: list[float], key: str) -> None:
        self.state, self.next_state = (torch.rand(ROWS, ROBOT.width) for _ in range(2))
        self.state[:, -1] = self.next_state[:, -1] = torch.tensor(secret)
        self.action = torch.rand(ROWS, 8)
        self.policy = torch.nn.Linear(4, 4)
        self.settings = {"api_key": key}
        self.best = 0.0
        self.history: list[float] = []
        self.heard: list[bytes] = []  # the answers, as they were when they came

    def step(self, source: str) -> list[Output]:
        """Compile a reward and call it as often as there are calls."""
        function = compile_reward(parse_reward(source))
        trainer, table = self, ROBOT.public()
        outputs: list[Output] = []
        for _ in range(CALLS):
            given = [_public(trainer.state, table), _public(trainer.next_state, table)]
            outputs.append(evaluate(function, table, given[0], self.action, given[1]))
            self.heard += map(_bytes, _results(outputs[-1:]))
        return outputs

    def known(self) -> list[object]:
        """Return what no reward may change."""
        tensors = (self.state, self.next_state, self.action, *self.policy.parameters())
        return [*map(_bytes, tensors), self.best, list(self.history)]


def _public(data: Tensor, table: FeatureTable) -> Tensor:
    return data[:, : table.width]


def _bytes(values: Tensor) -> bytes:
    return values.detach().numpy().tobytes()


def _results(outputs: list[Output]) -> list[Tensor]:
    return [result for output in outputs for result in (output.reward, *output.terms.values())]


def trial(source: str, secret: list[float], key: str) -> dict[str, object]:
    """Run one reward and report what came of it."""
    trainer = Trainer(secret, key)
    known, before = trainer.known(), fingerprint()
    texts: list[str] = []
    outputs: list[Output] = []
    try:
        outputs = trainer.step(source)
    except EvaluationError as error:
        texts.append(str(error))
    results = _results(outputs)
    threads = len(os.listdir("/proc/self/task")) - 1
    if threading.active_count() > 1:
        time.sleep(_LATER_S)
    escaped = [output.terms[ESCAPED] for output in outputs if ESCAPED in output.terms]
    tampered = changed(before, fingerprint())
    if trainer.known() != known or [_bytes(result) for result in results] != trainer.heard:
        tampered.append("trainer")
    return {
        "texts": [*texts, *(n for o in outputs for n in o.terms), *map(decoded, results)],
        "tampered": tampered,
        "threads": threads,
        "escaped": any(bool(term.any()) for term in escaped),
    }


def _child(request: dict[str, object], source: str, report: int, said: int) -> None:
    os.setsid()
    for standard, fd in ((0, os.open(os.devnull, os.O_RDONLY)), (1, said), (2, said)):
        os.dup2(fd, standard)
    # limits for the machine's sake only
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))
    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MOST_BYTES, used + MOST_BYTES))
    os.chdir(cast(str, request["folder"]))
    secret, key = cast(list[float], request["secret"]), cast(str, request["key"])
    _write(report, _dumps(trial(source, secret, key)).encode())
    # all that is of interest in an orderly end, which is slow
    vars(threading)["_shutdown"]()
    vars(atexit)["_run_exitfuncs"]()


class _Run:
    """A reward that runs in a fork."""

    def __init__(self, request: dict[str, object], source: str, channel: tuple[int, int]) -> None:
        (self._report, report), (self._said, said) = os.pipe(), os.pipe()
        self._status: int | None = None
        self._pid = os.fork()
        if self._pid == 0:
            try:
                for fd in (self._report, self._said, *channel):
                    os.close(fd)
                _child(request, source, report, said)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(0)
        os.close(report)
        os.close(said)

    def has_ended(self) -> bool:
        if self._status is None:
            found, code = os.waitpid(self._pid, os.WNOHANG)
            self._status = os.waitstatus_to_exitcode(code) if found else None
        return self._status is not None

    def answer(self) -> dict[str, object]:
        """Kill it if need be, and return what is known of it."""
        if not self.has_ended():
            os.kill(self._pid, signal.SIGKILL)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
        report, said = _drained(self._report), _drained(self._said)
        return {"status": self._status, "report": report, "said": said}


def _answers(request: dict[str, object], channel: tuple[int, int]) -> list[dict[str, object]]:
    """Run rewards at the same time, and kill what still runs after the seconds given."""
    sources = cast(list[str], request["sources"])
    runs = [_Run(request, source, channel) for source in sources]
    end = time.monotonic() + cast(float, request["seconds"])
    while not all([run.has_ended() for run in runs]) and time.monotonic() < end:
        time.sleep(0.002)
    return [run.answer() for run in runs]


def _drained(fd: int) -> str:
    os.set_blocking(fd, False)
    try:
        return os.read(fd, _MOST_SAID).decode(errors="replace")
    except BlockingIOError:
        return ""
    finally:
        os.close(fd)


def main() -> None:
    """Answer requests until there are no more."""
    torch.set_num_threads(1)
    os.open(sys.argv[1], os.O_RDONLY)  # as a script keeps its settings open
    requests, answers = os.dup(0), os.dup(1)
    os.write(answers, b"{}\n")
    with open(requests) as lines:
        for line in lines:
            request = cast(dict[str, object], json.loads(line))
            found = _answers(request, (requests, answers))
            os.write(answers, json.dumps(found).encode() + b"\n")


if __name__ == "__main__":
    main()
