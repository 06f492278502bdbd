"""Control runs: what a snippet does to a machine where nothing holds it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Self, TypedDict, cast

from tests.rewardgen.isolation.hostile import bare
from tests.rewardgen.isolation.hostile.snippets import Effect, Snippet
from tests.rewardgen.isolation.hostile.world import World, kill, processes, standing

_SHORT_S = 3.0  # for what hangs; all of it runs at the same time
_LONG_S = 30.0  # for what ends by itself


class Answer(TypedDict):
    """What became of a reward's process; no status if it had to be killed."""

    status: int | None
    report: str
    said: str


class Trial(TypedDict):
    """What a reward's process reports before it ends."""

    texts: list[str]
    tampered: list[str]
    threads: int
    escaped: bool


class BareMachine:
    """Runs snippets in throw-away processes that may do whatever this one may.

    Args:
        world: what they may harm.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._mark = f"{world.token}-bare"
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "HOME": str(world.home),
            "OPENAI_API_KEY": world.canary.text,
            "MARK": self._mark,
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", bare.__name__, world.places["SECRET"]],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )
        self._heard()

    def run(self, snippet: Snippet) -> set[Effect]:
        """Run a snippet and return the effects it is seen to have; the world is whole again."""
        world = self._world
        files, before = world.files(), standing(self._process.pid)
        (answer,) = self._asked([snippet.source(world.places)], _LONG_S)
        left = processes(self._mark) - {self._process.pid}
        kill(left)
        trial = cast(Trial, json.loads(answer["report"] or "{}"))
        packets = world.packets()
        texts = [answer["said"], *trial.get("texts", []), *(p.decode("latin-1") for p in packets)]
        seen: dict[Effect, bool] = {
            "hangs": answer["status"] is None,
            "crashes": answer["status"] is not None and not trial,
            "starts": bool(left) or trial.get("threads", 0) > 0,
            "sends": bool(packets),
            "writes": world.files() != files,
            "tampers": bool(trial.get("tampered")) or standing(self._process.pid) != before,
            "leaks": world.canary.sings(texts),
        }
        if trial.get("escaped"):
            seen[snippet.effect] = True
        world.restore()
        return {effect for effect, is_seen in seen.items() if is_seen}

    def hang(self, chosen: list[Snippet]) -> list[bool]:
        """Run snippets at the same time and tell which of them do not come back."""
        sources = [snippet.source(self._world.places) for snippet in chosen]
        return [answer["status"] is None for answer in self._asked(sources, _SHORT_S)]

    def close(self) -> None:
        """End the processes."""
        kill(processes(self._mark))
        self._process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _asked(self, sources: list[str], seconds: float) -> list[Answer]:
        request = {
            "sources": sources,
            "folder": str(self._world.scratch),
            "seconds": seconds,
            "secret": self._world.canary.codes(bare.ROWS),
            "key": self._world.canary.text,
        }
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return cast(list[Answer], self._heard())

    def _heard(self) -> object:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the process that makes the control runs is gone"
        return json.loads(line)
