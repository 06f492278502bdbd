"""What the terminal shows of runs."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rewardgen.report.console import (
    candidate_text,
    last_lines,
    list_text,
    show_text,
    to_type,
    trial_lines,
)
from rewardgen.report.outcome import candidate
from rewardgen.store.records import ListRecord, LlmUsage, RunEntry, ShowRecord, TrialRecord
from rewardgen.store.run_directory import RunSnapshot
from rewardgen.store.show import list_record, show_record

RUN = Path("runs/demo")


def test_the_last_lines_say_who_won_and_what_to_type(
    example_record: ShowRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    RUN.mkdir(parents=True)
    (RUN / "report.html").touch()
    won, human, sparse, report, next_ = last_lines(example_record, RUN)
    assert won == (
        "Winner: candidate 2.5, crossover of 1.4 and 1.2: upright_share 0.763 [0.718, 0.789] on "
        "10 fresh seeds (0.749 in the search)."
    )
    assert (
        human
        == "Against human (0.594 [0.542, 0.656]): +0.169 [+0.104, +0.221], better, intervals apart."
    )
    assert sparse == (
        "Against sparse (0.126 [0.076, 0.188]): +0.636 [+0.580, +0.680], better, intervals apart."
    )
    assert report == "Report: runs/demo/report.html"
    assert next_ == "Next: rewardgen show demo 2.5"


def test_the_report_is_where_the_run_is(
    example_record: ShowRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    moved = Path("else/moved")
    moved.mkdir(parents=True)
    assert not [line for line in last_lines(example_record, moved) if "Report" in line]
    (moved / "report.html").touch()
    report, next_ = last_lines(example_record, moved)[3:]
    assert report == "Report: else/moved/report.html"
    assert next_ == "Next: rewardgen show moved 2.5 --runs-dir else"


def test_what_to_type_finds_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert to_type("show", Path("runs/demo"), "c1-2") == "rewardgen show demo c1-2"
    assert to_type("resume", Path("my runs/demo")) == "rewardgen resume demo --runs-dir 'my runs'"
    Path("else/demo").mkdir(parents=True)
    Path("link").symlink_to("else/demo")
    there = f"rewardgen show demo --runs-dir {tmp_path / 'else'}"
    assert to_type("show", Path("link")) == there
    monkeypatch.chdir("else/demo")
    assert to_type("show", Path()) == there


@pytest.mark.parametrize("advantage", [0.14, 0.36])
def test_the_last_lines_say_that_nothing_beat_human(
    write_example: Callable[..., RunSnapshot], advantage: float
) -> None:
    lines = last_lines(show_record(write_example(human_advantage=advantage)), RUN)
    assert len(lines) == 4
    assert "nothing beat the human-written reward" in lines[1]


def test_a_stopped_run_can_be_resumed(write_example: Callable[..., RunSnapshot]) -> None:
    lines = last_lines(show_record(write_example(iterations=1)), RUN)
    assert len(lines) == 4
    assert "not been confirmed" in lines[0]
    assert lines[1] == "Against human: not compared, so nothing beat it."
    assert lines[3] == "Next: rewardgen resume demo"


def test_show_lists_arms_and_candidates(example_record: ShowRecord) -> None:
    text = show_text(example_record)
    assert "cartpole/swing-up, version 1" in text
    assert "Candidate 2.5 beat the human-written reward" in text
    arms = [line.split() for line in text.splitlines() if line.startswith(("winner", "human"))]
    assert arms[0][:5] == ["winner", "10", "0.763", "[0.718,", "0.789]"]
    assert arms[1][-2:] == ["-", "-"]
    for one in example_record.candidates:
        assert any(
            line.startswith(one.id) and one.state in line and one.reason in line
            for line in text.splitlines()
        )
    assert "\x1b" not in text


def many(record: ShowRecord, count: int) -> ShowRecord:
    """The same run with so many candidates: every fourth finished, the first one won."""
    pattern = record.candidates[0]
    candidates = tuple(
        pattern.model_copy(
            update={
                "id": f"c{i}",
                "fitness": 0.1 if i == 0 else i / count,
                "state": "confirmed" if i == 0 else "retired" if i % 4 else "evaluated",
                "reason": f"reason {i}.",
            }
        )
        for i in range(count)
    )
    return record.model_copy(update={"candidates": candidates, "winner": "c0"})


def listed(text: str) -> list[str]:
    return [line.split()[0] for line in text.splitlines() if re.match(r"c\d+ ", line)]


def test_show_lists_the_best_of_many_candidates(example_record: ShowRecord) -> None:
    text = show_text(many(example_record, 2_000))
    # the winner, then finalists by fitness; those who retired had less training, if more fitness
    assert listed(text) == ["c0", *(f"c{1996 - 4 * i}" for i in range(29))]
    words = " ".join(text.split())
    assert "the best 30; 1,970 more: 1,500 retired and 470 evaluated" in words
    assert "rewardgen show demo --json" in words
    lower = tuple(m.model_copy(update={"direction": "lower"}) for m in example_record.fitness)
    worst = many(example_record, 2_000).model_copy(update={"fitness": lower})
    assert listed(show_text(worst)) == ["c0", *(f"c{4 + 4 * i}" for i in range(29))]


def test_show_lists_all_of_a_hundred_candidates_as_they_came(example_record: ShowRecord) -> None:
    text = show_text(many(example_record, 100))
    assert listed(text) == [f"c{i}" for i in range(100)]
    assert "more:" not in text


@pytest.mark.parametrize(("estimated", "shown"), [(0, ", 0.1250 USD"), (1, ", at most 0.1250 USD")])
def test_show_says_where_costs_are_estimates(
    example_record: ShowRecord, estimated: int, shown: str
) -> None:
    llm = LlmUsage(
        model="m",
        calls=2,
        retried=0,
        cached=0,
        prompt_tokens=100,
        completion_tokens=10,
        cost_usd=0.125,
        estimated=estimated,
    )
    record = example_record.model_copy(update={"llm": llm, "cost_usd": 0.125})
    assert shown in " ".join(show_text(record).split())


def test_show_works_for_an_unfinished_run(write_example: Callable[..., RunSnapshot]) -> None:
    text = show_text(show_record(write_example(iterations=0)))
    assert "interrupted interrupted by the user" in text
    assert "No result yet" in text


def test_a_candidate_shows_its_fate_code_and_feedback(example_record: ShowRecord) -> None:
    confirmed = candidate(example_record, "2.5")
    assert confirmed is not None
    text = candidate_text(confirmed, "the pole stays up")
    for expected in (
        "candidate 2.5 confirmed",
        "crossover of 1.4 and 1.2",
        "fitness 0.749 in the search",
        f"seed {confirmed.members[0].train_seed}",
        "def compute_reward(state, action, next_state):",
        "the pole stays up",
    ):
        assert expected in text
    rejected = candidate(example_record, "0.4")
    assert rejected is not None
    assert "probe row-wise: line 4:" in candidate_text(rejected, "")
    failed = candidate(example_record, "1.5")
    assert failed is not None
    assert "not evaluated; failed: term 'slow' is not finite" in candidate_text(failed, "")


def test_text_of_others_cannot_command_the_terminal(example_record: ShowRecord) -> None:
    hostile = "\x1b[2J[bold]all gone[/bold]"
    one = example_record.candidates[0].model_copy(
        update={"source": hostile, "reason": hostile, "note": hostile}
    )
    texts = {"notes": (hostile,), "reason": hostile, "description": hostile}
    record = example_record.model_copy(update={"candidates": (one,), **texts})
    for text in (candidate_text(one, hostile), show_text(record)):
        assert "\x1b" not in text
        assert "[bold]all gone[/bold]" in text


def test_list_shows_states_and_what_is_wrong(example_path: Path) -> None:
    record = list_record(example_path.parent)
    assert "demo  done   cartpole/swing-up" in list_text(record)
    broken = RunEntry(run="old", state="unreadable", task=None, reason="run.sqlite is damaged")
    text = list_text(ListRecord(runs=(*record.runs, broken)))
    assert "old: run.sqlite is damaged" in text
    assert "rewardgen run" in list_text(ListRecord(runs=()))


def test_a_training_lists_its_arms(example_run: RunSnapshot) -> None:
    record = TrialRecord(run="demo", arms=show_record(example_run).arms)
    lines = trial_lines(record, Path("elsewhere/demo"))
    assert [line.split()[0] for line in lines] == ["reward", "winner", "human", "sparse", "Next:"]
    assert lines[-1] == "Next: rewardgen show demo --runs-dir elsewhere"


def test_looking_at_runs_imports_nothing_heavy(example_path: Path) -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from rewardgen.report.console import list_text, show_text, last_lines\n"
        "from rewardgen.store.run_directory import read_run\n"
        "from rewardgen.store.show import list_record, show_record\n"
        "path = Path(sys.argv[1])\n"
        "record = show_record(read_run(path))\n"
        "list_text(list_record(path.parent)); show_text(record); last_lines(record, path)\n"
        "heavy = {'torch', 'mujoco', 'numpy', 'gymnasium', 'scipy', 'matplotlib'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(example_path)], check=True)
