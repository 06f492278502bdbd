"""The process in which one candidate's code is parsed or runs, until it is told to end.

Whatever the code raises is an answer. What it cannot answer for (a crash, a hang, garbage on the
channel) is found out by the other side.
"""

from __future__ import annotations

import contextlib
import dataclasses
import mmap
import os
from typing import cast

from torch import Tensor

from rewardgen.isolation.buffers import Layout, attach
from rewardgen.isolation.channel import Channel, ChannelClosedError, Message, deadline_in
from rewardgen.isolation.protection import Protection
from rewardgen.rewards.code import (
    EvaluationError,
    Output,
    RewardFunction,
    compile_reward,
    evaluate,
    raised,
    require_terms,
)
from rewardgen.rewards.findings import Finding
from rewardgen.rewards.format import ParseError, RewardCode, parse_reward
from rewardgen_envs.features import Feature, FeatureTable

MAX_TEXT = 600
_SEND_S = 60.0


def silence() -> None:
    """Send what is printed to nowhere; a flood of it must not fill a disk or a pipe."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    os.close(nowhere)


def serve(channel: Channel, protection: Protection) -> None:
    """Answer requests until the other side hangs up.

    Args:
        channel: to the reward host's owner.
        protection: of this process, reported once.
    """
    channel.send({"id": 0, **dataclasses.asdict(protection)}, deadline_in(_SEND_S))
    worker = _Worker()
    number: object = None
    while True:
        try:
            request, fds = channel.wait()
        except ChannelClosedError:
            return
        answer = worker.answer(request, fds)
        # an empty request repeats the one before it, and so has no number of its own
        number = request.get("id", number)
        if request or answer:
            answer = {"id": number, **answer}
        channel.send(answer, deadline_in(_SEND_S))


class _Worker:
    def __init__(self) -> None:
        self._function: RewardFunction | None = None
        self._table = FeatureTable([])
        self._memories: list[mmap.mmap] = []
        self._inputs: list[tuple[Tensor, Tensor, Tensor]] = []
        self._slots: list[list[Tensor]] = []
        self._names: list[str] | None = None

    def answer(self, request: Message, fds: list[int]) -> Message:
        if fds:
            self._memories = [attach(fd) for fd in fds]
        try:
            match request.get("op"):
                case "parse":
                    return _parse(request)
                case "load":
                    return self._load(request)
                case "score":
                    self._prepare(request)
                case _:  # as before
                    pass
            return self._score()
        except EvaluationError as error:
            return {"error": _plain(error.finding)}
        except BaseException as error:
            # SystemExit and KeyboardInterrupt too are the candidate's doing
            return {"error": _plain(raised(error).finding)}

    def _load(self, request: Message) -> Message:
        specs = cast(list[tuple[str, list[int]]], request["features"])
        self._table = FeatureTable(Feature(name, tuple(shape), "", "") for name, shape in specs)
        self._function = compile_reward(RewardCode(str(request["source"])))
        return {}

    def _prepare(self, request: Message) -> None:
        """Make views of the shared memory, for this request and those that repeat it."""
        members, rows, action_size = (
            cast(int, request[key]) for key in ("members", "rows", "action_size")
        )
        layout = Layout(members, rows, self._table.width, action_size)
        action, state, next_state = layout.inputs(self._memories[0])
        self._inputs = [(state[i], action[i], next_state[i]) for i in range(members)]
        outputs = layout.outputs(self._memories[1])
        self._slots = [list(outputs[:, member]) for member in range(members)]

    def _score(self) -> Message:
        assert self._inputs, "the owner says the sizes first"
        names: list[str] = []
        for (state, action, next_state), slots in zip(self._inputs, self._slots, strict=True):
            output = self._evaluate(state, action, next_state)
            names = names or list(output.terms)
            require_terms(names, output)
            slots[0].copy_(output.reward)
            for slot, name in enumerate(names, start=1):
                slots[slot].copy_(output.terms[name])
        if names == self._names:
            return {}
        self._names = names
        return {"terms": names}

    def _evaluate(self, state: Tensor, action: Tensor, next_state: Tensor) -> Output:
        assert self._function is not None, "the owner loads the code first"
        return evaluate(self._function, self._table, state, action, next_state)


def _parse(request: Message) -> Message:
    """Parse, to see whether that harms: its owner does it again and says what is wrong."""
    with contextlib.suppress(ParseError):
        parse_reward(str(request["text"]))
    return {}


def _plain(finding: Finding) -> Message:
    return {
        "kind": finding.kind,
        "rule": finding.rule,
        "line": finding.line,
        "message": finding.message[:MAX_TEXT],
        "remedy": finding.remedy[:MAX_TEXT],
    }
