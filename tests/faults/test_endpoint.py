"""An endpoint that fails in every way while a run asks it: what was paid for is never lost."""

from __future__ import annotations

import json
import os
import signal
import threading
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from rewardgen.store.run_directory import read_run
from tests.faults.children import Ended, Nursery, Surroundings
from tests.faults.conftest import NAME, SETTINGS
from tests.faults.injection import Act, Plan
from tests.faults.test_disk import check_told
from tests.faults.undisturbed import check_nothing_lost, essence, event_types
from tests.rewardgen.llm.asking import KEY
from tests.rewardgen.llm.server import Answer, Received, ScriptedEndpoint, completion, refusal
from tests.rewardgen.llm.test_endpoint_faults import PASSING
from tests.rewardgen.run.test_llm_search import reward

LIMITED = [
    refusal(429, "Slow down", headers={"retry-after": wish})
    for wish in ("7", "Wed, 21 Oct 2026 07:28:00 GMT", "-1", "0", "soon", "3600")
]
STORM = [*LIMITED, *PASSING.values()]
REFUSALS = {
    "no quota": refusal(429, "You exceeded your quota", code="insufficient_quota"),
    "key refused": refusal(401, "Incorrect API key provided", code="invalid_api_key"),
    "no right": refusal(403, "Country not supported"),
    "no such model": refusal(404, "The model does not exist", code="model_not_found"),
}
NO_REWARDS = (
    completion("def", finish="length"),
    completion("", finish="content_filter"),
    completion(None, message={"refusal": "I cannot help with that."}),
    completion(""),
    completion("I would rather talk about it."),
    completion(reward(1.0) + reward(2.0)),
    completion("```python\n" + "# " + "x" * 3_000_000 + "\n```"),
)
AROUND = Surroundings(
    environment={"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": ""}, instant=True, reserve=False
)


def thoughtful(received: Received) -> Answer:
    """Answer the same to the same question, whenever it is asked."""
    asked = zlib.crc32(json.dumps(received.body["messages"]).encode())
    return completion(reward(1.0 + asked % 8 / 8))


@dataclass(frozen=True)
class Asked:
    """A run that asks an endpoint."""

    nursery: Nursery
    runs_dir: Path
    settings: dict[str, Any] = field(default_factory=lambda: dict[str, Any](SETTINGS))

    @property
    def run(self) -> Path:
        return self.runs_dir / NAME

    @property
    def acknowledged(self) -> Path:
        return self.runs_dir / "acknowledged"

    def arguments(self, url: str) -> list[str]:
        more = {"designer": "llm", "model": "scripted", "base-url": url}
        flags = [f"--{key}={value}" for key, value in {**self.settings, **more}.items()]
        where = [f"--runs-dir={self.runs_dir}", f"--name={NAME}", "--no-render"]
        return ["run", *flags, "--usd-per-mtok", "1", "2", *where]

    def begin(self, url: str, plan: Plan | None = None) -> Ended:
        start = self.nursery.start(
            self.arguments(url), self.acknowledged, plan, surroundings=AROUND
        )
        return start.wait()

    def resume(self) -> Ended:
        arguments = ["resume", NAME, f"--runs-dir={self.runs_dir}"]
        return self.nursery.start(arguments, self.acknowledged, surroundings=AROUND).wait()


@pytest.fixture
def asked(nursery: Nursery, tmp_path: Path) -> Asked:
    return Asked(nursery, tmp_path)


@dataclass(frozen=True)
class Calm:
    """The run whose endpoint never failed, and how often it was asked."""

    essence: dict[str, Any]
    questions: int


@pytest.fixture(scope="module")
def calm(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Calm:
    asked = Asked(nursery, tmp_path_factory.mktemp("asked"))
    with ScriptedEndpoint(thoughtful) as endpoint:
        done = asked.begin(endpoint.url)
    assert done.status == 0, done.err
    return Calm(answered(asked.run), len(endpoint.received))


def answered(run: Path) -> dict[str, Any]:
    """Return what a run came to, without the address of its endpoint and its tries."""
    found = essence(run)
    replies = read_run(run).state.replies
    found["replies"] = sorted(reply.label for reply in replies.values())
    hidden = {sha for reply in replies.values() for sha in (reply.request, reply.reply)}
    found["artifacts"] -= hidden
    return found


def test_a_storm_of_failures_changes_nothing(asked: Asked, calm: Calm) -> None:
    """Three failures, then an answer, and again, until every failure has come."""

    def script(received: Received) -> Answer:
        turn = received.number - received.number // 4
        if received.number % 4 == 3 or turn >= len(STORM) - 1:
            return thoughtful(received)
        return STORM[turn]

    with ScriptedEndpoint(script) as endpoint:
        done = asked.begin(endpoint.url)
    assert done.status == 0, done.err
    assert "Traceback" not in done.err
    assert "trying again" in done.err
    assert answered(asked.run) == calm.essence


@pytest.mark.parametrize("answer", REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_in_the_second_iteration_stops_a_run_that_goes_on(
    asked: Asked, calm: Calm, answer: Answer
) -> None:
    def script(received: Received) -> Answer:
        return answer if received.number >= 2 and not mended.is_set() else thoughtful(received)

    mended = threading.Event()
    with ScriptedEndpoint(script) as endpoint:
        done = asked.begin(endpoint.url)
        check_told(done, f"once that is mended: rewardgen resume {NAME}")
        assert KEY not in done.err
        failed = [c.state for c in read_run(asked.run).state.candidates.values()]
        assert "failed" not in failed and "rejected" not in failed, "no reward is to blame"
        paid = len(endpoint.received)
        mended.set()
        assert asked.resume().status == 0
        assert len(endpoint.received) == paid + calm.questions - 2
    assert answered(asked.run) == calm.essence
    check_nothing_lost(asked.run, asked.acknowledged)


@pytest.mark.parametrize("act", ["kill before", "kill after"])
def test_a_kill_before_and_after_an_answer_is_stored(asked: Asked, calm: Calm, act: Act) -> None:
    with ScriptedEndpoint(thoughtful) as endpoint:
        done = asked.begin(endpoint.url, Plan("commit", 2, act, event="reply_received"))
        assert done.status == -signal.SIGKILL
        kept = event_types(asked.run).count("reply_received")
        assert kept == (1 if act == "kill before" else 2)
        before = len(endpoint.received)
        assert asked.resume().status == 0
        assert len(endpoint.received) == before + calm.questions - kept
    assert answered(asked.run) == calm.essence
    check_nothing_lost(asked.run, asked.acknowledged)


def test_a_kill_while_the_endpoint_thinks(asked: Asked, calm: Calm) -> None:
    thinking, release = threading.Event(), threading.Event()

    def script(received: Received) -> Answer:
        if release.is_set():
            return thoughtful(received)
        thinking.set()
        return completion("too late", after=release)

    with ScriptedEndpoint(script) as endpoint:
        child = asked.nursery.start(
            asked.arguments(endpoint.url), asked.acknowledged, surroundings=AROUND
        )
        assert thinking.wait(120)
        os.kill(child.pid, signal.SIGKILL)
        assert child.wait().status == -signal.SIGKILL
        release.set()
        assert asked.resume().status == 0
    assert answered(asked.run) == calm.essence
    check_nothing_lost(asked.run, asked.acknowledged)


@pytest.mark.parametrize("scheme", ["no such host", "no TLS"])
def test_an_endpoint_that_cannot_be_reached_is_named(asked: Asked, calm: Calm, scheme: str) -> None:
    with ScriptedEndpoint(thoughtful) as endpoint:
        secure = endpoint.url.replace("http:", "https:")
        url = "http://rewardgen.invalid/v1" if scheme == "no such host" else secure
        done = asked.begin(url)
    check_told(done, "no connection|broke off")
    assert url in done.err
    assert not read_run(asked.run).state.candidates
    assert calm.questions


@pytest.mark.slow
def test_replies_that_are_no_rewards_fail_their_candidates_alone(
    nursery: Nursery, tmp_path: Path
) -> None:
    asked = Asked(nursery, tmp_path, {**SETTINGS, "iterations": 1, "samples": 8})

    def script(received: Received) -> Answer:
        replies = (thoughtful(received), *NO_REWARDS)
        return replies[received.number % len(replies)]

    with ScriptedEndpoint(script) as endpoint:
        done = asked.begin(endpoint.url)
    assert done.status == 0, done.err
    state = read_run(asked.run).state
    ends = {name: (c.state, c.reason) for name, c in state.candidates.items()}
    assert all(reason for _, reason in ends.values()), ends
    assert {end for end, _ in ends.values()} >= {"rejected", "confirmed"}, ends
    assert state.status == "done"
