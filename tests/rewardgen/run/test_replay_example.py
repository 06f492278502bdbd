"""The transcript that ships: it can be repeated on any machine, without a network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rewardgen.design.transcript import read_transcript
from tests.rewardgen.run.tiny import call, command

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "swing-up.json"
SMALL = ("env-steps=2048", "train-seeds=1", "confirm-seeds=2", "confirm-episodes=2")


@pytest.mark.slow
def test_the_example_proposes_the_same_again(tmp_path: Path) -> None:
    recorded = read_transcript(EXAMPLE, tmp_path)
    flags = [f"--{flag}" for flag in SMALL]
    given = ["--designer=replay", f"--from={EXAMPLE}", f"--runs-dir={tmp_path}", "--name=again"]
    done = call(command("run", *given, *flags, "--json"))
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout.splitlines()[-1])
    assert record["task"] == recorded.task
    assert record["seed"] == recorded.config["seed"]
    assert [c["id"] for c in record["candidates"]] == [c.candidate for c in recorded.candidates]
    for shown, then in zip(record["candidates"], recorded.candidates, strict=True):
        assert shown["source"] == then.attempts[-1].source
        assert [a["source"] for a in shown["attempts"]] == [a.source for a in then.attempts[:-1]]
    (repaired,) = [c for c in record["candidates"] if c["attempts"]]
    assert repaired["attempts"][0]["findings"][0]["rule"] == "unknown-feature"


def test_another_number_of_samples_is_refused(tmp_path: Path) -> None:
    given = [f"--from={EXAMPLE}", f"--runs-dir={tmp_path}", "--name=again", "--samples=5"]
    done = call(command("run", "--designer=replay", *given))
    assert done.returncode == 2, done.stderr
    assert "3 candidates per iteration: leave --samples out" in " ".join(done.stderr.split())
    assert not (tmp_path / "again").exists()


def test_a_run_that_proposed_nothing_is_not_replayed(tmp_path: Path) -> None:
    recorded = read_transcript(EXAMPLE, tmp_path)
    empty = tmp_path / "empty.json"
    empty.write_text(recorded.model_copy(update={"candidates": ()}).model_dump_json())
    given = ["--designer=replay", f"--from={empty}", f"--runs-dir={tmp_path}", "--name=again"]
    done = call(command("run", *given))
    assert done.returncode == 2, done.stderr
    assert "there is none to replay" in done.stderr
    assert not (tmp_path / "again").exists()


def test_the_example_tells_nothing_of_the_machine_it_was_made_on() -> None:
    text = EXAMPLE.read_text()
    assert '"/' not in text
    assert "runs_dir" not in text
