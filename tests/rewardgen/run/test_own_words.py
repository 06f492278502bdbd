"""Own words, own fitness, pauses, remarks, a start: what a person steers a search with."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from rewardgen.store.records import FeedbackRecord
from tests.rewardgen.run.tiny import call, command, run_command

NAN = "next_state.pole_angular_velocity * float('nan')"
SPIN = "def fitness(state, action, next_state):\n    return next_state.pole_angular_velocity\n"
LATE = """def fitness(state, action, next_state):
    if len(action) > 2:  # more worlds than it is tried in
        raise ValueError("enough")
    return next_state.pole_angular_velocity
"""


def shown(runs_dir: Path, name: str) -> dict[str, Any]:
    done = call(command("show", name, "--json", f"--runs-dir={runs_dir}"))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_own_words_need_something_to_rank_by(tmp_path: Path) -> None:
    done = call([*run_command(tmp_path, "words"), "--text=spin"])
    assert done.returncode == 2
    assert "--fitness FILE" in done.stderr
    assert not (tmp_path / "words").exists()


@pytest.mark.slow
def test_own_fitness_ranks_and_is_what_is_shown(tmp_path: Path) -> None:
    file = tmp_path / "spin.py"
    file.write_text(SPIN)
    given = [*run_command(tmp_path, "spin"), "--text=spin the pole", f"--fitness={file}"]
    done = call([*given, "--iterations=1", "--pause", "--start=human"])
    assert done.returncode == 130, done.stderr
    assert "pause after iteration 1 of 2" in done.stderr
    file.unlink()  # the run has its own copy
    done = call(command("resume", "spin", f"--runs-dir={tmp_path}"))
    assert done.returncode == 0, done.stderr
    record = shown(tmp_path, "spin")
    assert record["description"] == "spin the pole"
    assert [f["name"] for f in record["fitness"]] == ["own_fitness"]
    assert [c["id"] for c in record["candidates"]] == ["c1-1", *(f"c2-{i}" for i in range(1, 5))]
    assert (record["candidates"][0]["origin"], record["candidates"][0]["slot"]) == ("human", 0)
    for arm in record["arms"]:
        for member in arm["members"]:
            assert list(member["metrics"]) == ["own_fitness"]


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("def fitness(state, action):\n    return state.x\n", "line 1: fitness takes"),
        ("x = 1\n", "must define fitness"),
        ("def fitness(:\n", "is not Python"),
        ("def fitness(state, action, next_state):\n    return next_state.spin\n", "line 2"),
        ("def fitness(state, action, next_state):\n    return 1.0\n", "one number per transition"),
        (f"def fitness(state, action, next_state):\n    return {NAN}\n", "no finite number"),
        (f"def fitness(state, action, next_state):\n    return {NAN} * 1j\n", "complex numbers"),
        (None, "No such file"),
    ],
)
def test_a_bad_fitness_file_starts_nothing(tmp_path: Path, source: str | None, says: str) -> None:
    file = tmp_path / "bad.py"
    if source is not None:
        file.write_text(source)
    done = call([*run_command(tmp_path, "bad"), f"--fitness={file}"])
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "bad").exists()


@pytest.mark.slow
def test_a_fitness_that_fails_late_says_what_can_be_done(tmp_path: Path) -> None:
    """The run keeps its own copy, so that mending the file and resuming would not help."""
    file = tmp_path / "late.py"
    file.write_text(LATE)
    done = call([*run_command(tmp_path, "late"), f"--fitness={file}"])
    assert done.returncode == 1
    assert "line 3: ValueError: enough" in done.stderr
    assert "another name" in done.stderr
    assert "rewardgen resume" not in done.stderr


def test_a_start_that_does_not_pass_its_check_starts_nothing(tmp_path: Path) -> None:
    file = tmp_path / "start.py"
    file.write_text("def compute_reward(state, action, next_state):\n    return state.no, {}\n")
    done = call([*run_command(tmp_path, "start"), f"--start={file}"])
    assert done.returncode == 1
    assert "start.py:2" in done.stderr
    assert "no feature 'no'" in done.stderr
    assert not (tmp_path / "start").exists()


def test_remarks_are_refused_where_nobody_reads_them(calm_run: Path) -> None:
    runs_dir = f"--runs-dir={calm_run.parent}"
    done = call(command("feedback", "calm", "faster", runs_dir))
    assert done.returncode == 2
    assert "llm and manual read words" in done.stderr
    done = call(command("feedback", "clam", "faster", runs_dir))
    assert (done.returncode, "did you mean 'calm'" in done.stderr) == (2, True)


@pytest.mark.slow
def test_a_remark_that_comes_while_a_prompt_waits_is_for_the_next_one(tmp_path: Path) -> None:
    given = [*run_command(tmp_path, "wait"), "--designer=manual", "--samples=1"]
    box = tmp_path / "wait" / "manual"
    first = box / "iteration-1" / "c1-1.prompt.md"
    running = subprocess.Popen(given, stderr=subprocess.PIPE, text=True)
    try:
        assert running.stderr is not None
        assert any("waiting for answers" in line for line in running.stderr)
        asked = first.read_text()
        said = call(command("feedback", "wait", "hold still", "--json", f"--runs-dir={tmp_path}"))
        assert FeedbackRecord.model_validate_json(said.stdout).iteration == 1
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=60)
    finally:
        running.kill()
    answer = "def compute_reward(state, action, next_state):\n    return state.pole_angle, {}\n"
    for i in (1, 2):
        (box / f"iteration-{i}").mkdir(exist_ok=True)
        (box / f"iteration-{i}" / f"c{i}-1.answer.md").write_text(answer)
    done = call(command("resume", "wait", f"--runs-dir={tmp_path}"))
    assert done.returncode == 0, done.stderr
    assert first.read_text() == asked
    assert "- hold still" in (box / "iteration-2" / "c2-1.prompt.md").read_text()


@pytest.mark.slow
def test_a_person_with_a_chat_window(tmp_path: Path) -> None:
    """Designer manual: prompts and answers as files, a pause, a remark that the next prompt has."""
    given = [*run_command(tmp_path, "chat"), "--designer=manual", "--samples=1", "--pause"]
    box = tmp_path / "chat" / "manual"
    answer = (
        "```python\ndef compute_reward(state, action, next_state):\n"
        "    up = {} * next_state.pole_angle_cosine\n    return up, {{'up': up}}\n```\n"
    )
    for iteration in (1, 2):
        (box / f"iteration-{iteration}").mkdir(parents=True)
        path = box / f"iteration-{iteration}" / f"c{iteration}-1.answer.md"
        path.write_text(answer.format(float(iteration)))
    done = call(given)
    assert done.returncode == 130, done.stderr
    said = call(
        command("feedback", "chat", "hold still\x1b", "--candidate=c1-1", f"--runs-dir={tmp_path}")
    )
    assert said.returncode == 0, said.stderr
    assert "iteration 2" in said.stdout
    done = call(command("resume", "chat", f"--runs-dir={tmp_path}"))
    assert done.returncode == 0, done.stderr
    prompts = [(box / f"iteration-{i}" / f"c{i}-1.prompt.md").read_text() for i in (1, 2)]
    assert "hold still" not in prompts[0]
    assert "- About c1-1: hold still" in prompts[1]
    record = shown(tmp_path, "chat")
    assert record["human_feedback"] == [
        {"iteration": 1, "candidate": "c1-1", "text": "hold still\ufffd"}
    ]
    late = call(command("feedback", "chat", "more", f"--runs-dir={tmp_path}"))
    assert (late.returncode, "no prompt follows" in late.stderr) == (2, True)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--designer=replay"], "give --from RUN"),
        (["--from=calm"], "--from is for designer replay"),
        (["--designer=replay", "--from=nothing"], "no run 'nothing'"),
        (["--start=nothing.py"], "nothing.py"),
        (["--designer=gpt"], "unknown value 'gpt'"),
    ],
)
def test_what_has_no_meaning_starts_nothing(calm_run: Path, more: list[str], says: str) -> None:
    done = call([*run_command(calm_run.parent, "none"), *more])
    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert not (calm_run.parent / "none").exists()
