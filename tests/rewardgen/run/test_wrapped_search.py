"""Searches with wrappers: named by a designer beside its code, or by the user around everything."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rewardgen.rewards.format import parse_reward
from rewardgen.rewards.wrappers.catalogue import wrapper_of
from rewardgen.rewards.wrappers.sources import wrapped_sha256
from rewardgen.store.run_directory import read_run
from rewardgen_policies.checkpoint import load_checkpoint
from tests.rewardgen.llm.server import Answer, Received, ScriptedEndpoint, completion
from tests.rewardgen.run.test_llm_search import KEY, SETTINGS, llm_command, shown
from tests.rewardgen.run.tiny import call, command

pytestmark = pytest.mark.slow  # searches

CODE = """```python
def compute_reward(state, action, next_state):
    up = (next_state.pole_angle_cosine + 1.0) / 2.0
    slow = exp_kernel(next_state.pole_angular_velocity, 4.0)
    return up, {"up": up, "slow": slow}
```
"""
PBRS = {"name": "pbrs", "potential": "slow"}
KRC = {"name": "krc", "terms": ["up", "slow"]}
PLAIN = "Pay for being upright.\n\n" + CODE
SHAPED = f"A potential helps.\n\nWrapper: {json.dumps(PBRS)}\n\n{CODE}"
MISSPELT = f"All at once.\n\nWrapper: {json.dumps(KRC | {'name': 'kcr'})}\n\n{CODE}"
REPAIRED = f"Corrected.\n\n**Wrapper:** `{json.dumps(KRC)}`\n\n{CODE}"


def script(received: Received) -> Answer:
    messages = received.body["messages"]
    if len(messages) == 4:
        return completion(REPAIRED)
    return completion([PLAIN, SHAPED, MISSPELT][received.number])


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, ScriptedEndpoint]]:
    """A run of three rewards: alone, with a potential, with a wrapper that does not exist."""
    runs_dir = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch, ScriptedEndpoint(script) as endpoint:
        patch.setenv("OPENAI_API_KEY", KEY)
        done = call(
            llm_command(endpoint.url, runs_dir, "searched", "--iterations=1", "--samples=3")
        )
        assert done.returncode == 0, done.stderr
        yield runs_dir, endpoint


def by_wrapper(record: dict[str, Any]) -> dict[str, dict[str, Any]]:
    named = {"none" if c["wrapper"] is None else c["wrapper"]["name"]: c for c in
             record["candidates"]}  # fmt: skip
    assert sorted(named) == ["krc", "none", "pbrs"]
    return named


def test_wrappers_are_stored_with_their_candidates(
    searched: tuple[Path, ScriptedEndpoint],
) -> None:
    runs_dir, _ = searched
    found = by_wrapper(shown(runs_dir, "searched"))
    assert (found["pbrs"]["wrapper"], found["krc"]["wrapper"]) == (PBRS, KRC)
    assert len({c["source_sha256"] for c in found.values()}) == 1  # the same code
    assert {c["state"] for c in found.values()} <= {"evaluated", "confirmed"}


def test_an_unknown_wrapper_is_repaired_with_the_names_there_are(
    searched: tuple[Path, ScriptedEndpoint],
) -> None:
    runs_dir, endpoint = searched
    (attempt,) = by_wrapper(shown(runs_dir, "searched"))["krc"]["attempts"]
    assert attempt["wrapper"]["name"] == "kcr"
    assert attempt["findings"][0]["rule"] == "wrapper"
    (repair,) = [r for r in endpoint.received if len(r.body["messages"]) == 4]
    *_, answer, request = (message["content"] for message in repair.body["messages"])
    assert answer.startswith('Wrapper: {"name": "kcr"')
    assert "unknown wrapper 'kcr'; did you mean 'krc'? Valid: dynamic_pbrs" in request
    assert "wrapper line again" in request


def test_policies_are_trained_on_what_is_wrapped(searched: tuple[Path, ScriptedEndpoint]) -> None:
    runs_dir, _ = searched
    artifacts = read_run(runs_dir / "searched").artifacts
    rewards: dict[str, list[float]] = {}
    for name, candidate in by_wrapper(shown(runs_dir, "searched")).items():
        (member,) = candidate["members"]
        around = None if name == "none" else wrapper_of(candidate["wrapper"])
        origin = load_checkpoint(artifacts.path(member["checkpoint"])).origin
        inside = parse_reward(candidate["source"]).sha256
        assert origin.source_sha256 == wrapped_sha256(inside, around)
        (artifact, place), *_ = member["curves"]
        curve = json.loads(artifacts.read_text(artifact))[place]
        assert ("term/shaping" in curve) == (name == "pbrs")
        assert {"term/up", "term/slow"} <= curve.keys()
        rewards[name] = curve["reward"]
        if name == "pbrs":
            total = [u + s for u, s in zip(curve["term/up"], curve["term/shaping"], strict=True)]
            assert curve["reward"] == pytest.approx(total, abs=1e-5)
    assert len({tuple(values) for values in rewards.values()}) == 3


def test_show_and_report_say_what_is_around_a_reward(
    searched: tuple[Path, ScriptedEndpoint],
) -> None:
    runs_dir, _ = searched
    record = shown(runs_dir, "searched")
    candidate = by_wrapper(record)["pbrs"]["id"]
    done = call(command("show", "searched", candidate, f"--runs-dir={runs_dir}"))
    assert 'wrapper {"name": "pbrs", "potential": "slow"}' in done.stdout
    winner = next(c for c in record["candidates"] if c["id"] == record["winner"])
    arms = {arm["arm"]: arm for arm in record["arms"]}
    assert arms["winner"]["wrapper"] == winner["wrapper"]
    assert arms["human"]["wrapper"] is arms["sparse"]["wrapper"] is None
    for file in ("report.md", "report.html"):
        text = (runs_dir / "searched" / file).read_text()
        assert ("wrapped in" in text.lower()) == (winner["wrapper"] is not None)


def test_a_candidate_is_exported_with_what_is_around_it(
    searched: tuple[Path, ScriptedEndpoint], tmp_path: Path
) -> None:
    runs_dir, _ = searched
    record = shown(runs_dir, "searched")
    candidate = by_wrapper(record)["pbrs"]["id"]
    arguments = ["searched", f"--candidate={candidate}", f"--out={tmp_path / 'out'}", "--json"]
    done = call(command("export", "reward", *arguments, f"--runs-dir={runs_dir}"))
    assert done.returncode == 0, done.stderr
    exported = json.loads(done.stdout.splitlines()[-1])["reward"]
    assert exported["wrapper"] == PBRS and exported["max_difference"] <= 1e-6
    gamma = f"gamma = {record['recipe']['gamma']}  #"
    assert gamma in (tmp_path / "out" / "reward.py").read_text()


def test_replay_wraps_the_same(searched: tuple[Path, ScriptedEndpoint]) -> None:
    runs_dir, endpoint = searched
    asked = len(endpoint.received)
    arguments = ["--designer=replay", "--from=searched", "--name=replayed"]
    done = call(command("run", *arguments, f"--runs-dir={runs_dir}"))
    assert done.returncode == 0, done.stderr
    first, second = shown(runs_dir, "searched"), shown(runs_dir, "replayed")
    for a, b in zip(first["candidates"], second["candidates"], strict=True):
        for field in ("id", "wrapper", "fitness", "state", "attempts"):
            assert a[field] == b[field]
    assert len(endpoint.received) == asked


def test_a_wrapper_of_the_configuration_is_around_every_candidate(tmp_path: Path) -> None:
    preset = tmp_path / "mine.yaml"
    flags = {k.replace("-", "_"): v for k, v in SETTINGS.items() if v is not None and k != "model"}
    lines = [f"{k}: {v}" for k, v in (flags | {"designer": "evolve", "iterations": 1}).items()]
    preset.write_text("\n".join([*lines, "render: false", "wrapper: {name: par, slope: 2}"]))
    done = call(command("run", str(preset), f"--runs-dir={tmp_path}", "--name=all"))
    assert done.returncode == 0, done.stderr
    record = shown(tmp_path, "all")
    expected = {"name": "par", "references": [0.0], "slope": 2.0}
    assert record["config"]["wrapper"] == expected
    assert [c["wrapper"] for c in record["candidates"]] == [expected] * 2
    assert [arm["wrapper"] for arm in record["arms"]] == [expected, None, None]
