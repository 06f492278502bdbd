"""Searches whose candidates a language model reviews first, over a real socket."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.rewardgen.llm.server import Answer, Received, ScriptedEndpoint, completion, refusal
from tests.rewardgen.run.test_llm_search import KEY, llm_command, reward, shown
from tests.rewardgen.run.tiny import call, command, events

pytestmark = pytest.mark.slow  # searches

ISSUE = "pays for the wrong pole"
AGAINST = json.dumps({"ok": False, "issues": [{"line": 2, "problem": ISSUE, "remedy": "mend"}]})
FINE = json.dumps({"ok": True, "issues": []})
OPINIONS = {
    1.0: AGAINST,  # mended as 5
    2.0: AGAINST,  # mended as 6
    3.0: "The reward looks fine to me.",
    4.0: AGAINST[:40],
    5.0: f"```json\n{FINE}\n```",
    6.0: AGAINST,
}


def weight_of(text: str) -> float:
    """Return the weight in the last reward of a text."""
    return float(re.findall(r"up = ([\d.]+) \* next_state", text)[-1])


def reviews(endpoint: ScriptedEndpoint) -> list[Received]:
    """Return what the critic was asked."""
    return [x for x in endpoint.received if is_review(x)]


def is_review(received: Received) -> bool:
    return received.body["messages"][0]["content"].startswith("You review reward functions")


def script() -> Callable[[Received], Answer]:
    """Return a script: four rewards, their repairs, and opinions on each."""
    written = iter((1.0, 2.0, 3.0, 4.0))
    lock = threading.Lock()

    def answer(received: Received) -> Answer:
        messages = received.body["messages"]
        if is_review(received):
            weight = weight_of(messages[1]["content"])
            return completion(OPINIONS[weight], finish="length" if weight == 4.0 else "stop")
        if len(messages) == 4:
            return completion(reward(weight_of(messages[2]["content"]) + 4.0))
        with lock:
            return completion(reward(next(written)))

    return answer


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@pytest.fixture(scope="module")
def criticized(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, ScriptedEndpoint]]:
    """A search of one iteration: mended, rejected twice, prose, cut off."""
    runs_dir = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch, ScriptedEndpoint(script()) as endpoint:
        patch.setenv("OPENAI_API_KEY", KEY)
        more = ["--critic", "--samples=4", "--iterations=1"]
        done = call(llm_command(endpoint.url, runs_dir, "criticized", *more))
        assert done.returncode == 0, done.stderr
        yield runs_dir, endpoint


def by_weight(record: dict[str, Any]) -> dict[float, dict[str, Any]]:
    """Return the candidates by the weight in their last version."""
    return {weight_of(c["source"]): c for c in record["candidates"]}


def test_issues_reach_the_repair_turn(criticized: tuple[Path, ScriptedEndpoint]) -> None:
    runs_dir, endpoint = criticized
    candidates = by_weight(shown(runs_dir, "criticized"))
    assert set(candidates) == {3.0, 4.0, 5.0, 6.0}
    repairs = [r for r in endpoint.received if len(r.body["messages"]) == 4]
    assert len(repairs) == 2
    assert all(ISSUE in r.body["messages"][-1]["content"] for r in repairs)
    mended = candidates[5.0]
    assert mended["state"] in ("evaluated", "confirmed")
    (attempt,) = mended["attempts"]
    assert attempt["findings"][-1]["rule"] == "model-review"
    assert attempt["findings"][-1]["line"] == 2


def test_who_is_rejected_twice_ends_so(criticized: tuple[Path, ScriptedEndpoint]) -> None:
    rejected = by_weight(shown(criticized[0], "criticized"))[6.0]
    assert rejected["state"] == "rejected"
    assert rejected["reason"] == f"critic: {ISSUE}"
    assert rejected["fitness"] is None


@pytest.mark.parametrize("weight", [3.0, 4.0])
def test_an_unreadable_opinion_leaves_the_critic_without_a_model(
    criticized: tuple[Path, ScriptedEndpoint], weight: float
) -> None:
    runs_dir, _ = criticized
    candidate = by_weight(shown(runs_dir, "criticized"))[weight]
    assert candidate["state"] in ("evaluated", "confirmed")
    assert {f["severity"] for f in candidate["findings"]} <= {"info", "warning"}
    (found,) = [f for f in candidate["findings"] if f["rule"] == "no-review"]
    assert found["severity"] == "info" and "not of the form" in found["message"]


def test_the_critic_reads_code_and_measurements(
    criticized: tuple[Path, ScriptedEndpoint],
) -> None:
    asked = reviews(criticized[1])
    assert len(asked) == 6  # four rewards, two repairs
    text = asked[0].body["messages"][1]["content"]
    assert "def compute_reward" in text and "What was measured" in text
    assert "Pay for being upright" not in text  # what the designer says of it


def test_a_replay_asks_nobody(
    criticized: tuple[Path, ScriptedEndpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs_dir, endpoint = criticized
    monkeypatch.delenv("OPENAI_API_KEY")
    asked = len(endpoint.received)
    arguments = ["--designer=replay", "--from=criticized", "--name=replayed", "--critic"]
    done = call(command("run", *arguments, f"--runs-dir={runs_dir}"))
    assert done.returncode == 0, done.stderr
    first, second = shown(runs_dir, "criticized"), shown(runs_dir, "replayed")
    for a, b in zip(first["candidates"], second["candidates"], strict=True):
        for field in ("id", "source_sha256", "fitness", "state", "reason", "findings"):
            assert a[field] == b[field]
    assert len(endpoint.received) == asked


def test_a_resume_asks_no_opinion_twice(tmp_path: Path) -> None:
    revoked, answer = threading.Event(), script()

    def cut(received: Received) -> Answer:
        if is_review(received) and len(reviews(endpoint)) > 2 and not revoked.is_set():
            return refusal(401, "Incorrect API key provided", code="invalid_api_key")
        return answer(received)

    with ScriptedEndpoint(cut) as endpoint:
        more = ["--critic", "--samples=4", "--iterations=1"]
        assert call(llm_command(endpoint.url, tmp_path, "cut", *more)).returncode == 1
        kept = events(tmp_path / "cut").count("reply_received")
        assert kept >= 5  # four rewards, at least one opinion
        revoked.set()
        before = len(endpoint.received)
        done = call(command("resume", "cut", f"--runs-dir={tmp_path}"))
        assert done.returncode == 0, done.stderr
        # six opinions and two repairs in all
        assert len(endpoint.received) - before == 12 - kept
    assert by_weight(shown(tmp_path, "cut"))[6.0]["reason"] == f"critic: {ISSUE}"
