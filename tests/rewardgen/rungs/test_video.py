"""A video that cannot be made: the file is looked at first, and GL is blamed for GL alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

from rewardgen.run.machine import examine
from rewardgen.rungs import gl, offscreen, video
from rewardgen_envs.errors import UsageError
from rewardgen_envs.registry import load_task
from rewardgen_policies.evaluation import RandomPolicy, run_episodes

JOB = video.VideoJob(task="no/task", labels=(), checkpoints=(), eval_seed=0, output="film.mp4")


def test_outputs_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    for path, why in (
        (tmp_path, "is a directory"),
        (tmp_path / "none" / "film.mp4", "there is no directory"),
        (tmp_path / "film.txt", r"must end in \.mp4"),
    ):
        with pytest.raises(UsageError, match=why):
            video.check_output(path)
    video.check_output(tmp_path / "film.mp4")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_file_that_may_not_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").touch(0o444)
    with pytest.raises(UsageError, match="permission"):
        video.check_output(tmp_path / "film.mp4")


def test_a_file_that_ffmpeg_refuses(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    film = [np.zeros((360, 480, 3), np.uint8)] * 50
    with pytest.raises(BrokenPipeError):
        video.write_film([film], tmp_path / "none" / "film.mp4", 25.0)
    assert capfd.readouterr().err.strip().endswith("No such file or directory")


@pytest.mark.parametrize("task_name", ["hopper/run", "cartpole/balance"])
def test_the_fitness_shown_is_at_last_that_of_the_evaluation(task_name: str) -> None:
    task = load_task(task_name)
    shown = video.RunningFitness(task, None)
    result = run_episodes(task, RandomPolicy(task, 1), 1, [7], shown, threads=1)
    assert result.length[0, 0] < task.episode_steps, "it ends early, and the rest counts too"
    assert shown.value == pytest.approx(result.fitness[task.metric.name].item(), rel=1e-6)


def test_a_run_ranked_by_the_users_own_fitness_shows_that() -> None:
    task = load_task("cartpole/balance")
    code = (
        "def fitness(state, action, next_state):\n"
        "    return 2.0 * torch.ones_like(next_state.episode_time_s)\n"
    )
    shown = video.RunningFitness(task, code)
    result = run_episodes(task, RandomPolicy(task, 1), 1, [7], shown, threads=1)
    assert shown.metric.name == "own_fitness"
    share = result.length.item() / task.episode_steps
    assert shown.value == pytest.approx(2.0 * share), "what is left out counts as nothing"


def test_a_film_that_ends_early_keeps_its_last_picture(tmp_path: Path) -> None:
    def shades(*levels: int) -> list[np.ndarray]:
        return [np.full((360, 480, 3), level, np.uint8) for level in levels]

    films = [shades(200, 100), shades(*[20] * 10), shades(*[220] * 5)]
    video.write_film(films, tmp_path / "film.mp4", frames_per_s=10.0)
    frames = imageio_ffmpeg.read_frames(str(tmp_path / "film.mp4"))
    assert next(frames)["size"] == (3 * 480, 360)
    pictures = [np.frombuffer(frame, np.uint8).reshape(360, 3, 480, 3) for frame in frames]
    assert len(pictures) == 10 + 10, "all keep their last picture for a second"
    levels = [picture.mean(axis=(0, 2, 3)) for picture in pictures]
    assert levels[0] == pytest.approx([200, 20, 220], abs=3)
    for level in levels[1:]:
        assert level == pytest.approx([100, 20, 220], abs=3)


@pytest.mark.skipif(not offscreen.gl_backends(), reason="needs working GL")
def test_a_failure_after_gl_worked_is_told_as_it_is() -> None:
    with pytest.raises(offscreen.RenderError, match="'no/task'") as caught:
        video.render(JOB)
    assert "GL" not in str(caught.value)


def test_where_gl_is_missing_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gl, "CHOSEN", "nonsense")
    with pytest.raises(offscreen.RenderError, match="no working GL"):
        video.render(JOB)


def test_the_doctor_looks_at_what_was_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gl, "CHOSEN", "nonsense")
    (rendering,) = [fact for fact in examine(tmp_path) if fact.name == "rendering"]
    assert not rendering.ok
    assert rendering.text.startswith("MUJOCO_GL is 'nonsense', which does not work here: ")


def test_a_gl_library_that_is_missing_stops_nothing_but_rendering() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "rewardgen.cli.main", "tasks", "show", "hopper/run"],
        env={**os.environ, "MUJOCO_GL": "nonsense"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "speed [m/s]" in done.stdout
