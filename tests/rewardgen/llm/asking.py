"""How the tests ask endpoints: with a clock of their own, and a notebook of files."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from rewardgen.llm.client import Endpoint
from rewardgen.llm.messages import Message, Reply, Request
from rewardgen.llm.notebook import FileCache
from rewardgen.llm.settings import EndpointSettings

KEY = "sk-test-0123456789abcdef"
WALL_S = 1_790_000_000.0  # 2026-09-21 13:33:20 UTC


class FakeTime:
    """Time that passes by sleeping, and at once.

    Attributes:
        now: seconds.
        slept: what was slept, in order.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    def wall(self) -> float:
        return WALL_S + self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        until = self.now + seconds
        await asyncio.sleep(0)
        self.now = max(self.now, until)


class Asking:
    """An endpoint under test, and what it said.

    Attributes:
        settings: of the endpoint.
        endpoint: under test.
        notebook: where it keeps replies.
        time: its clock.
        said: what it told people.
    """

    def __init__(
        self,
        url: str,
        directory: Path,
        *,
        time: FakeTime | None = None,
        seed: int = 7,
        cache: FileCache | None = None,
        said: list[str] | None = None,
        **settings: object,
    ) -> None:
        self.time = time or FakeTime()
        self.said: list[str] = [] if said is None else said
        self.notebook = FileCache(directory)
        defaults = {"model": "scripted", "usd_per_mtok": (1.0, 10.0), "timeout_s": 30.0}
        self.settings = EndpointSettings.model_validate({"base_url": url, **defaults, **settings})
        self.endpoint = Endpoint(
            self.settings,
            seed=seed,
            notebook=self.notebook,
            cache=cache,
            say=self.said.append,
            clock=self.time.clock,
            now=self.time.wall,
            sleep=self.time.sleep,
        )

    def ask(self, samples: int = 1, text: str = "Write a reward.") -> list[Reply]:
        return self.endpoint.ask(requests(samples, text))


def requests(samples: int, text: str = "Write a reward.") -> Sequence[Request]:
    """Some samples of one prompt."""
    messages = (Message(role="system", content="You design rewards."), user(text))
    return [Request(messages=messages, sample=sample) for sample in range(samples)]


def user(text: str) -> Message:
    return Message(role="user", content=text)
