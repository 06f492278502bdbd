"""A run that is killed or interrupted ends like one that was left alone."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from rewardgen import api
from rewardgen.cli.main import main
from rewardgen.store import payloads as p
from rewardgen.store.run_directory import RunDirectory
from tests.rewardgen.run.tiny import call, command, events, outcome, run_command


def stop_at(arguments: list[str], run: Path, count: int, how: signal.Signals) -> int:
    """Start a command, send a signal once the run has ``count`` events, return the status."""
    process = subprocess.Popen(
        arguments,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        # tests that run in the background of a shell inherit that SIGINT is ignored
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while process.poll() is None and len(events(run)) < count:
        time.sleep(0.02)
    if process.poll() is None:
        process.send_signal(how)
    return process.wait(timeout=120)


@pytest.mark.slow  # faults/test_kills.py has the same in seconds
def test_a_killed_run_resumes_to_the_undisturbed_result(
    undisturbed: tuple[dict[str, Any], int], tmp_path: Path
) -> None:
    expected, count = undisturbed
    stop_at(run_command(tmp_path, "killed"), tmp_path / "killed", count // 2, signal.SIGKILL)
    done = call(command("resume", "killed", f"--runs-dir={tmp_path}"))
    assert done.returncode == 0, done.stderr
    assert outcome(tmp_path, "killed") == expected


@pytest.mark.slow  # faults/test_kills.py has the same in seconds
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


@pytest.mark.slow  # faults/test_kills.py has the same in seconds
@pytest.mark.parametrize(("how", "status"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_a_run_stopped_while_its_report_is_written_is_completed(
    undisturbed: tuple[dict[str, Any], int], tmp_path: Path, how: signal.Signals, status: int
) -> None:
    expected, count = undisturbed
    run = tmp_path / "late"
    # everything but the last event, which says that the run is finished
    assert stop_at(run_command(tmp_path, "late"), run, count - 1, how) == status
    assert "run_finished" not in events(run)
    done = call(command("resume", "late", f"--runs-dir={tmp_path}"))
    assert done.returncode == 0, done.stderr
    assert f"Report: {run / 'report.html'}\n" in done.stdout
    assert "<dd>done</dd>" in (run / "report.html").read_text()
    assert (run / "report.md").is_file()
    assert list((run / "tensorboard").glob("confirm-human/seed-*/events*"))
    assert outcome(tmp_path, "late") == expected


def test_an_interrupted_report_says_how_to_go_on(
    calm_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = tmp_path / "late"
    shutil.copytree(calm_run, run)
    with RunDirectory.resume(run) as directory:
        directory.append(p.RunInterrupted(reason="as if stopped before"))
    (run / "report.html").unlink()

    def interrupt(path: Path, state: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(api, "write_report", interrupt)
        assert main(["resume", str(run)]) == 130
    assert f"go on with: rewardgen resume late --runs-dir {tmp_path}" in capsys.readouterr().err
    assert main(["resume", str(run)]) == 0
    assert f"Report: {run / 'report.html'}" in capsys.readouterr().out
    assert (run / "report.html").is_file()


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
