"""Searches with a language model, over a real socket: what it is asked, what becomes of it."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.rewardgen.llm.server import Answer, Received, ScriptedEndpoint, completion, refusal
from tests.rewardgen.run.tiny import call, command, events

KEY = "sk-test-0123456789abcdef"
SETTINGS = {
    "task": "cartpole/balance",
    "designer": "llm",
    "model": "scripted",
    "usd-per-mtok": None,
    "iterations": 2,
    "samples": 2,
    "train-seeds": 1,
    "env-steps": 2048,
    "rungs": 1,
    "eval-episodes": 2,
    "confirm-seeds": 2,
    "confirm-episodes": 2,
    "seed": 9200,
}


def reward(weight: float, feature: str = "pole_angle_cosine") -> str:
    return (
        f"Pay for being upright, times {weight:g}.\n\n```python\n"
        "def compute_reward(state, action, next_state):\n"
        f"    up = {weight!r} * next_state.{feature}\n"
        '    return up, {"up": up}\n```\n'
    )


def good(received: Received) -> Answer:
    return completion(reward(1.0 + received.number / 8))


def llm_command(url: str, runs_dir: Path, name: str, *more: str) -> list[str]:
    flags = [f"--{key}={value}" for key, value in SETTINGS.items() if value is not None]
    price = ["--usd-per-mtok", "1", "2"]
    where = [f"--base-url={url}", f"--runs-dir={runs_dir}", f"--name={name}", "--no-render"]
    return command("run", *flags, *price, *where, *more)


def shown(runs_dir: Path, name: str) -> dict[str, Any]:
    done = call(command("show", name, "--json", f"--runs-dir={runs_dir}"))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def descendants(pid: int) -> list[int]:
    """Return the processes that a process has started, and those that these have."""
    children: list[int] = []
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):  # of each of its threads
        with contextlib.suppress(OSError):
            children += map(int, listed.read_text().split())
    return [*children, *(grandchild for child in children for grandchild in descendants(child))]


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, ScriptedEndpoint]]:
    """A run whose first reward names a feature that is not there, and is repaired."""

    def script(received: Received) -> Answer:
        messages = received.body["messages"]
        if len(messages) == 4:
            return completion(reward(3.0))
        if len(received.body["messages"]) == 2 and received.number == 0:
            return completion(reward(1.0, "pole_angle_cosin"))
        return good(received)

    runs_dir = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch, ScriptedEndpoint(script) as endpoint:
        patch.setenv("OPENAI_API_KEY", KEY)
        done = call(llm_command(endpoint.url, runs_dir, "searched"))
        assert done.returncode == 0, done.stderr
        yield runs_dir, endpoint


def test_a_refused_candidate_is_repaired_once(searched: tuple[Path, ScriptedEndpoint]) -> None:
    runs_dir, endpoint = searched
    record = shown(runs_dir, "searched")
    assert [c["id"] for c in record["candidates"]] == ["c1-1", "c1-2", "c2-1", "c2-2"]
    repaired = [c for c in record["candidates"] if c["attempts"]]
    assert len(repaired) == 1
    (attempt,) = repaired[0]["attempts"]
    assert attempt["findings"][0]["rule"] == "unknown-feature"
    assert repaired[0]["state"] in ("evaluated", "confirmed")
    assert "3.0 * next_state" in repaired[0]["source"]
    (repair,) = [r for r in endpoint.received if len(r.body["messages"]) == 4]
    said = repair.body["messages"][-1]["content"]
    assert "unknown-feature, line 2" in said and "pole_angle_cosin" in said


def test_the_second_iteration_reads_the_first(searched: tuple[Path, ScriptedEndpoint]) -> None:
    runs_dir, endpoint = searched
    record = shown(runs_dir, "searched")
    last = endpoint.received[-1].body["messages"][1]["content"]
    best = record["iterations"][0]["best"]
    assert f"## {best}: the best so far" in last
    assert "Along training" in last
    assert all(c["parents"] for c in record["candidates"] if c["iteration"] == 1)


def test_costs_are_counted(searched: tuple[Path, ScriptedEndpoint]) -> None:
    runs_dir, endpoint = searched
    # 100 tokens read and 50 written a call, at 1 and 2 USD a million
    calls = len(endpoint.received)
    expected = pytest.approx(calls * (100 * 1.0 + 50 * 2.0) / 1e6)
    record = shown(runs_dir, "searched")
    assert record["cost_usd"] == expected
    assert record["llm"] == {
        "model": "scripted-2026-01-01",
        "calls": calls,
        "retried": 0,
        "cached": 0,
        "prompt_tokens": calls * 100,
        "completion_tokens": calls * 50,
        "cost_usd": expected,
        "estimated": 0,
    }
    costs = (runs_dir / "searched" / "report.md").read_text().split("## Costs")[1]
    assert f"| scripted-2026-01-01 | {calls} | 0 | 0 | {calls * 100} | {calls * 50} | 0.00" in costs


def test_the_key_is_nowhere(searched: tuple[Path, ScriptedEndpoint]) -> None:
    runs_dir, endpoint = searched
    assert all(r.headers["authorization"] == f"Bearer {KEY}" for r in endpoint.received)
    for path in runs_dir.rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes(), path


@pytest.mark.slow
def test_replay_decides_the_same_without_a_network(
    searched: tuple[Path, ScriptedEndpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs_dir, endpoint = searched
    monkeypatch.delenv("OPENAI_API_KEY")
    asked = len(endpoint.received)
    arguments = ["--designer=replay", "--from=searched", "--name=replayed"]
    done = call(command("run", *arguments, f"--runs-dir={runs_dir}"))
    assert done.returncode == 0, done.stderr
    first, second = shown(runs_dir, "searched"), shown(runs_dir, "replayed")
    for key in ("winner", "iterations", "selection"):
        assert first[key] == second[key]
    for a, b in zip(first["candidates"], second["candidates"], strict=True):
        for field in ("id", "source_sha256", "fitness", "state", "attempts", "parents"):
            assert a[field] == b[field]
    assert [a["iqm"] for a in first["arms"]] == [a["iqm"] for a in second["arms"]]
    assert (second["designer"], second["cost_usd"]) == ("replay", 0.0)
    assert len(endpoint.received) == asked


@pytest.mark.slow
def test_a_transcript_can_be_read_and_repeated(
    searched: tuple[Path, ScriptedEndpoint], tmp_path: Path
) -> None:
    runs_dir, endpoint = searched
    file = tmp_path / "searched.json"
    given = ["export", "searched", f"--runs-dir={runs_dir}", f"--transcript={file}"]
    assert call(command(*given)).returncode == 0
    recorded = json.loads(file.read_text())
    assert len(recorded["exchanges"]) == len(endpoint.received)
    assert {x["label"] for x in recorded["exchanges"]} >= {"iteration-1/c1-1", "iteration-2/c2-2"}
    assert KEY not in file.read_text()
    again = call(command(*given))
    assert (again.returncode, "exists" in again.stderr) == (2, True)
    more = [f"--from={file}", "--designer=replay", "--name=x", f"--runs-dir={tmp_path}"]
    done = call(command("run", *more, "--confirm-episodes=1", "--json"))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["winner"] == recorded["winner"]


@pytest.mark.slow
def test_another_run_with_the_same_question_pays_nothing(
    searched: tuple[Path, ScriptedEndpoint],
) -> None:
    runs_dir, endpoint = searched
    asked = len(endpoint.received)
    done = call(llm_command(endpoint.url, runs_dir, "again"))
    assert done.returncode == 0, done.stderr
    assert len(endpoint.received) == asked
    again = shown(runs_dir, "again")
    assert again["cost_usd"] == 0.0
    assert (again["llm"]["calls"], again["llm"]["cached"]) == (0, asked)
    assert shown(runs_dir, "again")["winner"] == shown(runs_dir, "searched")["winner"]


@pytest.mark.slow
def test_what_an_endpoint_refused_is_not_sent_again_by_a_resumed_run(tmp_path: Path) -> None:
    revoked = threading.Event()
    revoked.set()

    def script(received: Received) -> Answer:
        if "temperature" in received.body:
            return refusal(400, "unsupported", param="temperature")
        if revoked.is_set():  # so that no reply says what had been refused by then
            return refusal(401, "revoked", code="invalid_api_key")
        return good(received)

    with ScriptedEndpoint(script) as endpoint:
        done = call(llm_command(endpoint.url, tmp_path, "dropped", "--temperature=0.7"))
        assert done.returncode == 1 and "does not take temperature" in done.stderr
        assert shown(tmp_path, "dropped")["llm"] is None
        before = len(endpoint.received)
        revoked.clear()
        done = call(command("resume", "dropped", f"--runs-dir={tmp_path}"))
        assert done.returncode == 0, done.stderr
        assert "does not take" not in done.stderr
        assert not any("temperature" in r.body for r in endpoint.received[before:])


def test_a_run_waits_no_longer_for_an_endpoint_than_it_may_take(tmp_path: Path) -> None:
    with ScriptedEndpoint([refusal(429, "wait", headers={"retry-after": "3600"})]) as endpoint:
        done = call(llm_command(endpoint.url, tmp_path, "patient", "--max-hours=0.003"))
    assert done.returncode == 130, done.stderr
    assert "sending nothing for 3,600 s" in done.stderr
    assert "max_hours is over" in done.stderr and "rewardgen resume patient" in done.stderr


@pytest.mark.slow
def test_an_endpoint_that_breaks_under_a_cap_stops_a_run_that_can_be_resumed(
    tmp_path: Path,
) -> None:
    broken = threading.Event()
    broken.set()

    def script(received: Received) -> Answer:
        if received.number >= 2 and broken.is_set():
            return Answer(body={"choices": []})
        return good(received)

    with ScriptedEndpoint(script) as endpoint:
        cap = ["--max-completion-tokens=1000", "--max-cost-usd=0.04"]
        done = call(llm_command(endpoint.url, tmp_path, "broken", *cap))
        assert done.returncode == 1
        assert "calls broke off" in done.stderr and "rewardgen resume broken" in done.stderr
        assert shown(tmp_path, "broken")["state"] == "failed"
        broken.clear()
        done = call(command("resume", "broken", f"--runs-dir={tmp_path}"))
        assert done.returncode == 0, done.stderr
    assert len(shown(tmp_path, "broken")["candidates"]) == 4


@pytest.mark.slow
def test_a_revoked_key_stops_a_run_that_can_be_resumed(tmp_path: Path) -> None:
    revoked = threading.Event()

    def script(received: Received) -> Answer:
        if received.number >= 2 and not revoked.is_set():
            return refusal(401, f"Incorrect API key provided: {KEY}", code="invalid_api_key")
        return good(received)

    with ScriptedEndpoint(script) as endpoint:
        done = call(llm_command(endpoint.url, tmp_path, "revoked"))
        assert done.returncode == 1
        assert "OPENAI_API_KEY" in done.stderr and "rewardgen resume revoked" in done.stderr
        assert KEY not in done.stderr
        assert shown(tmp_path, "revoked")["state"] == "failed"
        paid = len(endpoint.received)
        revoked.set()
        done = call(command("resume", "revoked", f"--runs-dir={tmp_path}"))
        assert done.returncode == 0, done.stderr
        assert len(endpoint.received) == paid + 2
    assert shown(tmp_path, "revoked")["state"] == "done"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_an_interrupted_question_is_not_paid_twice(tmp_path: Path) -> None:
    release = threading.Event()

    def script(received: Received) -> Answer:
        if received.number == 1:
            return completion(reward(2.0), after=release)
        return good(received)

    with ScriptedEndpoint(script) as endpoint:
        process = subprocess.Popen(
            llm_command(endpoint.url, tmp_path, "cut"),
            stderr=subprocess.PIPE,
            text=True,
            # whoever runs the tests in the background of a shell ignores SIGINT, and so would it
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        while "reply_received" not in events(tmp_path / "cut"):
            assert process.poll() is None
        workers = descendants(process.pid)
        assert workers
        for pid in workers:
            assert KEY.encode() not in Path(f"/proc/{pid}/environ").read_bytes()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 130, said
        release.set()
        kept = events(tmp_path / "cut").count("reply_received")
        assert kept == 1
        before = len(endpoint.received)
        done = call(command("resume", "cut", f"--runs-dir={tmp_path}"))
        assert done.returncode == 0, done.stderr
        # the one that was cut off, and the second iteration
        assert len(endpoint.received) == before + 3


def test_the_cap_ends_the_search_and_what_is_there_is_confirmed(tmp_path: Path) -> None:
    def script(received: Received) -> Answer:
        usage = {"prompt_tokens": 1000, "completion_tokens": 1000, "total_tokens": 2000}
        return completion(reward(1.0 + received.number), usage=usage)

    with ScriptedEndpoint(script) as endpoint:
        # a call: 1,000 tokens read and written, 0.003 USD; reserved are up to 0.012
        cap = ["--max-completion-tokens=1000", "--max-cost-usd=0.016"]
        done = call(llm_command(endpoint.url, tmp_path, "capped", *cap))
        assert done.returncode == 0, done.stderr
    record = shown(tmp_path, "capped")
    assert record["cost_usd"] <= 0.016
    assert 0 < len(record["candidates"]) < 4
    assert record["winner"] is not None
    assert "cap" in done.stderr


@pytest.mark.parametrize(
    ("missing", "says"),
    [
        ("--model=", "model"),
        ("--usd-per-mtok", "--usd-per-mtok IN OUT"),
        ("key", "OPENAI_API_KEY"),
        ("cap", "allows no call"),
    ],
)
def test_what_cannot_work_starts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str, says: str
) -> None:
    given = llm_command("http://127.0.0.1:9/v1", tmp_path, "none")
    if missing == "--usd-per-mtok":
        at = given.index(missing)
        del given[at : at + 3]
    elif missing == "key":
        monkeypatch.delenv("OPENAI_API_KEY")
        given = [g for g in given if not g.startswith("--base-url")]
    elif missing == "cap":
        given.append("--max-cost-usd=0.001")
    else:
        given = [g for g in given if not g.startswith(missing)]
    done = call(given)
    assert done.returncode == 2
    assert says in done.stderr
    assert not (tmp_path / "none").exists()


def test_an_estimate_needs_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    given = llm_command("http://127.0.0.1:9/v1", tmp_path, "none", "--dry-run")
    given = [g for g in given if not g.startswith("--base-url")]
    done = call(given)
    assert done.returncode == 0, done.stderr
    assert " USD" in done.stdout
    assert "cannot start yet" in done.stdout
    assert "OPENAI_API_KEY" in done.stdout
    assert not (tmp_path / "none").exists()
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert "cannot start yet" not in call(given).stdout
