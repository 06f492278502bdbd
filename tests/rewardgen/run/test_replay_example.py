"""The transcript that ships: it can be repeated on any machine, without a network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rewardgen.design.designer import DesignContext, Refused
from rewardgen.design.replay import ReplayDesigner
from rewardgen.design.transcript import read_transcript
from rewardgen_envs.errors import UsageError
from rewardgen_envs.registry import load_task
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


def test_a_repair_is_found_by_the_order_of_the_proposals() -> None:
    recorded = read_transcript(EXAMPLE, Path())
    moved = [c.model_copy(update={"slot": c.slot + 5}) for c in recorded.candidates]
    designer = ReplayDesigner(recorded.model_copy(update={"candidates": tuple(moved)}))
    (fixed,) = [c for c in recorded.candidates if len(c.attempts) > 1]
    among = [c for c in recorded.candidates if c.iteration == fixed.iteration]
    table = load_task(recorded.task).table
    context = DesignContext(
        sentence="",
        table=table,
        action=load_task(recorded.task).action,
        control_dt_s=0.01,
        episode_steps=1,
        count=len(among),
        seed=0,
        iteration=fixed.iteration,
    )
    refused = [Refused("c", place, "", ()) for place in range(len(among))]
    sources = [None if x is None else x.source for x in designer.repair(context, refused)]
    assert sources == [c.attempts[1].source if c is fixed else None for c in among]


@pytest.mark.parametrize(
    ("text", "says"),
    [("{", "is no transcript: Invalid JSON"), ("{}", "is no transcript: run: Field required")],
)
def test_a_damaged_transcript_is_refused(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "damaged.json"
    file.write_text(text)
    with pytest.raises(UsageError, match=says):
        read_transcript(file, tmp_path)


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
