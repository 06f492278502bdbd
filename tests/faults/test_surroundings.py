"""Machines that lack something: files, folders, a home, a locale, a lock for reward code."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults.children import ROOT, Surroundings
from tests.faults.conftest import Scene, resume_arguments, run_arguments
from tests.faults.injection import Plan
from tests.faults.test_disk import check_told, fill, mounted
from tests.faults.undisturbed import check_nothing_lost, essence, event_types
from tests.rewardgen.run.test_without_linux import SITE

# no locale at all, and Python's own ways out of that closed
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def product(arguments: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a command of the product in a process that is started anew."""
    return subprocess.run(
        [sys.executable, "-m", "rewardgen.cli.main", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )


@pytest.mark.slow
def test_no_home_no_folder_for_temporary_files_an_odd_path_and_a_bare_locale(
    scene: Scene, tmp_path: Path
) -> None:
    """All in one real run, which takes seconds."""
    runs_dir = tmp_path / "läufe mit Raum 実行"
    runs_dir.mkdir()
    kept = {k: v for k, v in os.environ.items() if k not in ("HOME", "LANG", "LC_CTYPE")}
    environment = {
        **kept,
        "LC_ALL": "C",
        "TMPDIR": str(tmp_path / "absent"),
        "OMP_NUM_THREADS": "1",
    }
    done = product(run_arguments(runs_dir), environment)
    assert done.returncode == 0, done.stderr
    assert essence(runs_dir / scene.run.name) == scene.reference.essence


def test_a_terminal_that_cannot_show_a_name(scene: Scene, tmp_path: Path) -> None:
    shutil.copytree(scene.reference.path, tmp_path / "läuft")
    where = f"--runs-dir={tmp_path}"
    done = product(["list", where], {**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0, done.stderr
    assert "l\\xe4uft" in done.stdout


def test_a_name_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """It could not be recorded."""
    done = product(run_arguments(tmp_path / "läufe"), {**os.environ, **ASCII})
    assert done.returncode == 2
    assert "is no text in the encoding ascii" in done.stderr
    assert not (tmp_path / "läufe").exists()


def test_a_full_folder_for_temporary_files(scene: Scene, tmp_path: Path) -> None:
    with mounted(tmp_path / "full", "size=64k"):
        fill(tmp_path / "full" / "ballast", free=0)
        around = Surroundings(environment={"TMPDIR": str(tmp_path / "full")})
        done = scene.begin(around=around)
        assert done.status == 0, done.err
    scene.check_recovery()


def test_too_few_open_files(scene: Scene) -> None:
    open_ever_more(scene, range(8, 13), Surroundings())


@pytest.mark.slow
def test_too_few_open_files_for_workers(scene: Scene) -> None:
    open_ever_more(scene, range(12, 40, 2), Surroundings(remembered=False))


def open_ever_more(scene: Scene, numbers: range, around: Surroundings) -> None:
    """With ever more of them a run gets ever further, and says what it lacks."""
    told = 0
    for files in numbers:
        done = scene.resume(around=replace(around, files=files))
        assert "Traceback" not in done.err, done.err
        if done.status:
            check_told(done, "Too many open files", "unable to open database", "cannot start")
            told += 1
        check_nothing_lost(scene.run, scene.acknowledged)
    assert told
    scene.check_recovery()


def test_a_lock_that_is_gone_is_not_done_without(scene: Scene, tmp_path: Path) -> None:
    """Begun with isolation 'strict', taken up where Linux' means are missing."""
    arguments = [*run_arguments(scene.runs_dir), "--isolation=strict"]
    begun = scene.start(arguments, Plan("commit", 6, "kill after")).wait()
    if begun.status == 2:
        pytest.skip(begun.err)
    before = event_types(scene.run)
    (tmp_path / "sitecustomize.py").write_text(SITE)
    done = product(resume_arguments(scene.run), {**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"})
    assert done.returncode == 2
    assert "begun with isolation 'strict' and goes on with no less" in done.stderr
    assert event_types(scene.run) == before
