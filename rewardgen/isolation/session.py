"""One worker with one candidate's code, seen from its owner: parse; or load, submit, collect.

Everything a worker says is held against what it may say. Whatever goes wrong on its side becomes
a ``HostFailure``.
"""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from torch import Tensor

from rewardgen.isolation.buffers import Layout, SharedMemory, shared_memory, unlinked_file
from rewardgen.isolation.channel import (
    ChannelClosedError,
    ChannelGarbageError,
    ChannelTimeoutError,
    Message,
    deadline_in,
)
from rewardgen.isolation.pace import REMEDY, Deadlines, Pace, no_answer
from rewardgen.isolation.processes import START_S, HostUnavailable, Worker
from rewardgen.isolation.protection import Protection
from rewardgen.rewards.code import MAX_TERMS, TERM_NAME
from rewardgen.rewards.findings import Finding, Kind
from rewardgen.rewards.format import RewardCode
from rewardgen.rewards.transitions import Transitions
from rewardgen_envs.features import FeatureTable
from rewardgen_policies.seam import RewardFailure

try:
    from rewardgen.isolation.linux.memory import anonymous_memory
except ImportError:
    anonymous_memory = None

MAX_TEXT = 600


class HostFailure(RewardFailure):
    """A reward failed in its host; carries the finding."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(str(finding))
        self.finding = finding


@dataclass
class _Prepared:
    """Views of the shared memory for one layout; making them anew takes as long as a call.

    Attributes:
        layout: the sizes.
        inputs: what the worker reads, by member.
        outputs: all slots.
        used: those that the last answer filled, and the next one may.
    """

    layout: Layout
    inputs: tuple[Transitions, ...]
    outputs: Tensor
    used: Tensor


class Session:
    """A running worker for one reward or text.

    Args:
        worker: the process, just started; the session owns it.
        deadlines: how long it may take.

    Raises:
        HostUnavailable: the worker did not come up.
    """

    def __init__(self, worker: Worker, deadlines: Deadlines) -> None:
        self._worker = worker
        self._deadlines = deadlines
        self._requests = 0
        self._repeated = False
        self._pace = Pace(deadlines)
        self._memories: list[SharedMemory] = []
        self._prepared: _Prepared | None = None
        self._names: list[str] | None = None
        self._pending_since: float | None = None
        self.over: Finding | None = None
        self.protection = self._greeting()

    def parse(self, text: str) -> None:
        """Make the worker parse a text.

        Raises:
            HostFailure: it did not survive that, or not in time.
        """
        self._send({"op": "parse", "text": text})
        self._receive(self._deadlines.first_s)

    def load(self, code: RewardCode, table: FeatureTable) -> None:
        """Make the worker load a reward over public features; on failure it is ended.

        Raises:
            HostFailure: the code could not be loaded.
        """
        features = [(feature.name, list(feature.shape)) for feature in table]
        try:
            self._send({"op": "load", "source": code.source, "features": features})
            self._receive(self._deadlines.first_s)
        except HostFailure:
            self.close()
            raise

    def submit(self, layout: Layout, fill: Callable[[int, Transitions], None]) -> None:
        """Send the transitions of all members; the worker starts on them at once.

        Args:
            layout: the sizes.
            fill: writes a member's rows into the shared memory it is given.

        Raises:
            HostFailure: the worker is gone.
            HostUnavailable: there is no memory to share.
        """
        prepared = self._prepared
        if prepared is not None and prepared.layout == layout:
            self._write(prepared, fill)
            self._repeat()
        else:
            new = self._grow(layout)
            prepared = self._prepare(layout)
            self._write(prepared, fill)
            request: Message = {
                "op": "score",
                "members": layout.members,
                "rows": layout.rows,
                "action_size": layout.action_size,
            }
            try:
                self._send(request, [memory.fd for memory in new])
            finally:
                for memory in new:
                    os.close(memory.fd)
            self._prepared = prepared
        self._pending_since = time.monotonic()

    def collect(self) -> tuple[Tensor, dict[str, Tensor]]:
        """Wait for the rewards (P, R) and terms of what was submitted; private copies.

        Raises:
            HostFailure: no valid answer in time.
        """
        since, prepared = self._pending_since, self._prepared
        assert since is not None and prepared is not None, "submit comes before collect"
        self._pending_since = None
        began = time.monotonic()
        answer = self._receive(self._pace.allowed_s, since)
        now = time.monotonic()
        rows = prepared.layout.members * prepared.layout.rows
        # what siblings did in between is no part of the waiting
        too_slow = self._pace.count(now - since, now - began, rows)
        if too_slow is not None:
            raise self._failed("throughput", too_slow, REMEDY)
        # terms that are those of the last answer are not sent again
        if "terms" in answer or self._names is None:
            self._names = self._term_names(answer)
        names = self._names
        if len(prepared.used) != 1 + len(names):
            prepared.used = prepared.outputs[: 1 + len(names)]
        copied = prepared.used.clone()
        return copied[0], {name: copied[i] for i, name in enumerate(names, start=1)}

    @property
    def waiting(self) -> bool:
        """Whether something was submitted that was not collected."""
        return self._pending_since is not None

    def close(self) -> None:
        """End the worker."""
        if self.over is None:
            self.over = _finding("closed", "the reward host was closed", "")
            self._end()

    def _end(self) -> int | None:
        self._memories, self._prepared = [], None
        return self._worker.end()

    def _greeting(self) -> Protection:
        # no candidate's code has run in it yet, so that it can be believed
        try:
            said = self._worker.channel.receive(deadline_in(START_S))
            return Protection.reported(said)
        except (ChannelClosedError, ChannelTimeoutError, ChannelGarbageError, KeyError) as error:
            status = self._worker.end()
            raise HostUnavailable(f"a reward host did not come up ({status=})") from error

    def _prepare(self, layout: Layout) -> _Prepared:
        action, state, next_state = layout.inputs(self._memories[0].memory)
        inputs = tuple(
            Transitions(state[member], action[member], next_state[member])
            for member in range(layout.members)
        )
        outputs = layout.outputs(self._memories[1].memory)
        return _Prepared(layout, inputs, outputs, used=outputs)

    def _write(self, prepared: _Prepared, fill: Callable[[int, Transitions], None]) -> None:
        for member, into in enumerate(prepared.inputs):
            fill(member, into)
        # what the worker leaves unwritten must not look like an answer
        prepared.used.fill_(math.nan)

    def _grow(self, layout: Layout) -> list[SharedMemory]:
        """Make shared memory that is large enough; return it if it is new."""
        needed = (layout.input_bytes, layout.output_bytes)
        if self._memories and all(
            memory.size >= size for memory, size in zip(self._memories, needed, strict=True)
        ):
            return []
        create = anonymous_memory or unlinked_file
        try:
            self._memories = [shared_memory(size, create) for size in needed]
        except OSError as error:
            raise HostUnavailable(f"no shared memory for a reward host: {error}") from error
        return self._memories

    def _repeat(self) -> None:
        """Ask for the same once more, of what is in the shared memory now."""
        self._transmit({})
        self._repeated = True

    def _send(self, request: Message, fds: list[int] | None = None) -> None:
        self._requests += 1
        self._transmit({"id": self._requests, **request}, fds or [])
        self._repeated = False

    def _transmit(self, message: Message, fds: Sequence[int] = ()) -> None:
        if self.over is not None:
            raise HostFailure(self.over)
        try:
            self._worker.channel.send(message, deadline_in(self._deadlines.first_s), fds)
        except ChannelClosedError:
            raise self._crashed() from None
        except ChannelTimeoutError:
            raise self._failed("protocol", "the reward host does not listen") from None

    def _receive(self, allowed_s: float, since: float | None = None) -> Message:
        if self.over is not None:
            raise HostFailure(self.over)
        start = time.monotonic() if since is None else since
        try:
            answer = self._worker.channel.receive(start + allowed_s)
        except ChannelTimeoutError:
            raise self._failed("deadline", no_answer(allowed_s), REMEDY) from None
        except ChannelGarbageError as error:
            raise self._failed("protocol", f"the reward host sent garbage: {error}") from None
        except ChannelClosedError:
            raise self._crashed() from None
        # to what is repeated, "as before" is an answer
        if answer.get("id") != self._requests and (answer or not self._repeated):
            raise self._failed("protocol", "the reward host answered what was not asked")
        if "error" in answer:
            raise HostFailure(_reported(answer["error"]))
        return answer

    def _term_names(self, answer: Message) -> list[str]:
        names = answer.get("terms")
        if isinstance(names, list):
            listed = cast(list[object], names)
            texts = [n for n in listed if isinstance(n, str) and TERM_NAME.fullmatch(n)]
            if len(texts) == len(listed) == len(set(texts)) <= MAX_TERMS:
                return texts
        raise self._failed("protocol", "the reward host sent no valid list of terms")

    def _crashed(self) -> HostFailure:
        status = self._end()
        self.over = _finding("crash", f"the reward host {_ending(status)}", "correct the code")
        return HostFailure(self.over)

    def _failed(self, rule: str, message: str, remedy: str = "correct the code") -> HostFailure:
        self._end()
        self.over = _finding(rule, message, remedy)
        return HostFailure(self.over)


def _finding(rule: str, message: str, remedy: str) -> Finding:
    return Finding("host", "runtime", rule, "error", None, message, remedy)


def _ending(status: int | None) -> str:
    if status is None:
        return "is gone"
    if status >= 0:
        return f"ended itself with exit code {status} before it answered"
    number = -status
    name = signal.Signals(number).name if number in list(signal.Signals) else f"signal {number}"
    cause = {"SIGKILL": " (out of memory, or killed from outside)", "SIGSEGV": " (crash)"}
    return f"was ended by {name}{cause.get(name, '')}"


def _reported(error: object) -> Finding:
    """Return the finding that a worker reports; nothing in it can be relied on."""
    given = cast(dict[str, object], error) if isinstance(error, dict) else {}
    kind: Kind = "contract" if given.get("kind") == "contract" else "runtime"
    line = given.get("line")
    return Finding(
        stage="host",
        kind=kind,
        rule=printable(given.get("rule"), 40) or "exception",
        severity="error",
        # exactly: True is an int too
        line=line if type(line) is int and 0 < line < 100_000 else None,
        message=printable(given.get("message")) or "the reward failed",
        remedy=printable(given.get("remedy")),
    )


def printable(text: object, longest: int = MAX_TEXT) -> str:
    """Return what is text in an answer, and not too long; nothing else if it is none."""
    if not isinstance(text, str):
        return ""
    return "".join(c if c.isprintable() else " " for c in text[:longest])
