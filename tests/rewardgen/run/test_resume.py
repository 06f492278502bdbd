"""A run that is killed or interrupted ends like one that was left alone."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.rewardgen.run.tiny import call, command, events, outcome, run_command


def stop_at(arguments: list[str], run: Path, count: int, how: signal.Signals) -> int:
    """Start a command, send a signal once the run has ``count`` events, return the status."""
    process = subprocess.Popen(arguments, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while process.poll() is None and len(events(run)) < count:
        time.sleep(0.02)
    if process.poll() is None:
        process.send_signal(how)
    return process.wait(timeout=120)


def test_a_killed_run_resumes_to_the_undisturbed_result(
    undisturbed: tuple[dict[str, Any], int], tmp_path: Path
) -> None:
    expected, count = undisturbed
    stop_at(run_command(tmp_path, "killed"), tmp_path / "killed", count // 2, signal.SIGKILL)
    done = call(command("resume", "killed", f"--runs-dir={tmp_path}"))
    assert done.returncode == 0, done.stderr
    assert outcome(tmp_path, "killed") == expected


def test_an_interrupted_run_says_how_to_go_on_and_does(
    undisturbed: tuple[dict[str, Any], int], tmp_path: Path
) -> None:
    expected, count = undisturbed
    run = tmp_path / "stopped"
    status = stop_at(run_command(tmp_path, "stopped"), run, count // 3, signal.SIGINT)
    assert status == 130
    assert events(run)[-1] == "run_interrupted"
    done = call(command("resume", "stopped", f"--runs-dir={tmp_path}"))
    assert done.returncode == 0, done.stderr
    assert outcome(tmp_path, "stopped") == expected
    again = call(command("resume", "stopped", f"--runs-dir={tmp_path}"))
    assert again.returncode == 0
    assert events(run)[-1] == "run_finished"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_kills_at_random_moments(
    undisturbed: tuple[dict[str, Any], int], tmp_path: Path, seed: int
) -> None:
    expected, count = undisturbed
    chance = random.Random(seed)
    moments = sorted(chance.sample(range(2, count), 4))
    run = tmp_path / "hunted"
    arguments = run_command(tmp_path, "hunted")
    for moment in moments:
        stop_at(arguments, run, moment, signal.SIGKILL)
        if events(run):
            arguments = command("resume", "hunted", f"--runs-dir={tmp_path}")
    done = call(arguments)
    assert done.returncode == 0, done.stderr
    assert outcome(tmp_path, "hunted") == expected
