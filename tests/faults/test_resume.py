"""``rewardgen resume`` where it is asked twice, too late, elsewhere, or with other settings."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from rewardgen.report.names import HTML_NAME
from rewardgen.store import payloads as p
from rewardgen.store.lock import LOCK_NAME
from rewardgen.store.run_directory import RunDirectory, read_run
from tests.faults.children import Surroundings
from tests.faults.conftest import NAME, SETTINGS, Scene, resume_arguments
from tests.faults.injection import Plan
from tests.faults.undisturbed import check_nothing_lost, essence, event_types, fingerprint

RACERS = 20


def test_a_finished_run_is_left_as_it_is(scene: Scene) -> None:
    shutil.copytree(scene.reference.path, scene.run)
    before = fingerprint(scene.run)
    first, second = scene.resume(), scene.resume()
    assert (first.status, second.status) == (0, 0)
    assert first.out == second.out
    assert "nothing is left to do" in first.err
    assert fingerprint(scene.run) == before


def _without_numbers(text: str) -> str:
    return re.sub(r"[\d.]+( s| min| h)?", "", text)


def test_a_lost_report_of_a_finished_run_is_written_again(scene: Scene) -> None:
    shutil.copytree(scene.reference.path, scene.run)
    before = (scene.run / HTML_NAME).read_text()
    (scene.run / HTML_NAME).unlink()
    shutil.rmtree(scene.run / "figures", ignore_errors=True)
    done = scene.resume()
    assert done.status == 0
    assert f"its report is missing and written again: {scene.run / HTML_NAME}" in done.err
    # but for the time that resuming took
    assert _without_numbers((scene.run / HTML_NAME).read_text()) == _without_numbers(before)


def test_a_second_terminal_is_refused_and_told_who_writes(scene: Scene) -> None:
    scene.begin(Plan("commit", 12, "kill after"))
    with RunDirectory.resume(scene.run):
        done = scene.resume()
        assert done.status == 1
        assert f"being written by process {os.getpid()}" in done.err
    scene.check_recovery()


def test_of_many_that_resume_at_once_one_does(scene: Scene) -> None:
    scene.begin(Plan("commit", 12, "kill after"))
    racers = [scene.start(resume_arguments(scene.run)) for _ in range(RACERS)]
    ended = [racer.wait() for racer in racers]
    assert {done.status for done in ended} <= {0, 1}
    assert any(done.status == 0 for done in ended)
    for done in ended:
        assert done.status == 0 or "is being written by" in done.err
    assert event_types(scene.run).count("resumed") >= 1
    assert event_types(scene.run).count("run_finished") == 1
    scene.check_recovery()


def test_a_lock_that_names_a_process_which_lives_means_nothing(scene: Scene) -> None:
    """The number of a process that was killed belongs to another one by now."""
    scene.begin(Plan("commit", 12, "kill after"))
    about = {"pid": os.getpid(), "host": "here", "started": "2026-01-01T00:00:00"}
    (scene.run / LOCK_NAME).write_text(json.dumps(about))
    scene.check_recovery()


@pytest.mark.parametrize("name", ["elsewhere", "läuft mit Raum"])
def test_a_run_that_was_moved_goes_on_where_it_is(scene: Scene, tmp_path: Path, name: str) -> None:
    scene.begin(Plan("commit", 14, "kill after"))
    moved = replace(scene, runs_dir=tmp_path / name)
    shutil.move(scene.runs_dir, moved.runs_dir)
    moved.check_recovery()


def test_a_copy_goes_on_beside_its_original(scene: Scene, tmp_path: Path) -> None:
    scene.begin(Plan("commit", 14, "kill after"))
    copied = replace(scene, runs_dir=tmp_path / "copies", acknowledged=tmp_path / "of the copy")
    shutil.copytree(scene.runs_dir, copied.runs_dir)
    before = fingerprint(scene.run)
    copied.check_recovery()
    assert fingerprint(scene.run) == before
    scene.check_recovery()


def test_a_preset_that_was_edited_meanwhile_changes_nothing(scene: Scene, tmp_path: Path) -> None:
    """A run keeps the settings that it was begun with, and says so."""
    preset = tmp_path / "mine.yaml"
    lines = [f"{key.replace('-', '_')}: {value}" for key, value in SETTINGS.items()]
    preset.write_text("\n".join(lines))
    where = [f"--name={NAME}", f"--runs-dir={scene.runs_dir}", "--no-render"]
    done = scene.start(["run", str(preset), *where], Plan("commit", 14, "kill after")).wait()
    assert done.status == -signal.SIGKILL, done.err
    preset.write_text(preset.read_text().replace("samples: 2", "samples: 3"))
    done = scene.start(["run", str(preset), *where]).wait()
    assert done.status == 2
    assert f"rewardgen resume {NAME}" in done.err
    done = scene.resume()
    assert done.status == 0
    assert "with the settings it was begun with" in done.err
    scene.check_recovery()


def test_other_versions_are_named(scene: Scene) -> None:
    """The log says what the run was begun with; what differs now is told and recorded."""
    older = Surroundings(versions={"torch": "1.0", "mujoco": "2.0"})
    scene.begin(Plan("commit", 14, "kill after"), older)
    done = scene.resume()
    assert done.status == 0, done.err
    assert "mujoco 2.0, now " in done.err
    assert "torch 1.0, now " in done.err
    assert any("torch 1.0, now " in note for note in read_run(scene.run).state.notes)
    check_nothing_lost(scene.run, scene.acknowledged)


def test_a_task_that_has_changed_is_refused(scene: Scene, tmp_path: Path) -> None:
    task = tmp_path / "mine.py"
    task.write_text(TASK.format(version=1))
    more = {"task": f"{task}:Mine"}
    flags = [f"--{key}={value}" for key, value in {**SETTINGS, **more}.items()]
    where = [f"--name={NAME}", f"--runs-dir={scene.runs_dir}", "--no-render"]
    done = scene.start(["run", *flags, *where], Plan("commit", 3, "kill after")).wait()
    assert done.status == -signal.SIGKILL, done.err
    task.write_text(TASK.format(version=2))
    before = event_types(scene.run)
    done = scene.resume()
    assert done.status == 2
    assert "has changed since this run started" in done.err
    assert event_types(scene.run) == before


TASK = '''
from rewardgen_envs.cartpole.swing_up import SwingUp


class Mine(SwingUp):
    """The same, in a file of the user's own."""

    version = {version}
'''


def test_settings_cannot_be_given_to_resume(scene: Scene) -> None:
    scene.begin(Plan("commit", 12, "kill after"))
    done = scene.start([*resume_arguments(scene.run), "--samples=8"]).wait()
    assert done.status == 2
    assert "--samples" in done.err
    scene.check_recovery()


def test_essence_ignores_time_and_nothing_else(scene: Scene) -> None:
    """The comparison that all these tests rest on sees a step more."""
    shutil.copytree(scene.reference.path, scene.run)
    assert essence(scene.run) == scene.reference.essence
    with RunDirectory.resume(scene.run) as directory:
        directory.append(p.Note(message="as good as nothing"))
        assert essence(scene.run) == scene.reference.essence
        directory.append(p.JobFinished(job="another", env_steps=1))
    assert essence(scene.run) != scene.reference.essence


@pytest.mark.parametrize("removed", ["the file of the lock", "that of a reader too"])
def test_a_lock_whose_file_was_removed_is_held_still(scene: Scene, removed: str) -> None:
    scene.begin(Plan("commit", 12, "kill after"))
    with RunDirectory.resume(scene.run):
        (scene.run / LOCK_NAME).unlink()
        if removed != "the file of the lock":
            (scene.run / LOCK_NAME).touch()
        assert read_run(scene.run).alive
        done = scene.resume()
        assert done.status == 1
        assert "is being written by" in done.err
    assert not read_run(scene.run).alive
    scene.check_recovery()


@pytest.mark.parametrize("replaced", [False, True])
def test_a_run_that_is_moved_while_it_is_written_says_where_it_is(
    scene: Scene, tmp_path: Path, replaced: bool
) -> None:
    elsewhere = tmp_path / "elsewhere"
    move = Plan("commit", 12, "move", to=str(elsewhere))
    done = scene.begin(move)
    assert done.status == 1, done.err
    assert f"was moved or removed while the run was written: it is {elsewhere} now" in done.err
    assert "Traceback" not in done.err
    if replaced:
        shutil.copytree(scene.reference.path, scene.run)
    back = replace(scene, runs_dir=tmp_path / "back")
    shutil.copytree(scene.runs_dir / "sibling", back.runs_dir / "sibling")
    shutil.move(elsewhere, back.run)
    back.check_recovery()


REWARD = """\
def compute_reward(state, action, next_state):
    upright = {factor} * next_state.pole_angle_cosine
    return upright, {{"upright": upright}}
"""


def test_a_reward_file_that_was_edited_before_it_was_kept_is_refused(
    scene: Scene, tmp_path: Path
) -> None:
    file = tmp_path / "own.py"
    file.write_text(REWARD.format(factor=1.0))
    small = ["--seeds=1", "--env-steps=2048", "--eval-episodes=1", "--writers"]
    place = [f"--runs-dir={scene.runs_dir}", f"--name={scene.run.name}"]
    command = ["train", "--task=cartpole/swing-up", f"--reward={file}", *small, *place]
    assert scene.start(command, Plan("commit", 2, "kill after")).wait().status == -signal.SIGKILL
    assert event_types(scene.run) == ["run_started"]

    file.write_text(REWARD.format(factor=-7.0))
    done = scene.resume()
    assert done.status == 2
    assert f"{file} changed since this run was begun" in done.err
    assert event_types(scene.run) == ["run_started"]

    file.write_text(REWARD.format(factor=1.0))
    assert scene.resume().status == 0
    member = read_run(scene.run).state.trials["train"].members[str(file)]
    assert all(one.fitness for one in member.values())
