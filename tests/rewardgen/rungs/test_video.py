"""A video that cannot be made: the file is looked at first, and GL is blamed for GL alone."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from rewardgen.rungs import video
from rewardgen_envs.errors import UsageError

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


@pytest.mark.skipif(not video.gl_backends(), reason="needs working GL")
def test_a_failure_after_gl_worked_is_told_as_it_is() -> None:
    with pytest.raises(video.VideoError, match="'no/task'") as caught:
        video.render(JOB)
    assert "GL" not in str(caught.value)


def test_where_gl_is_missing_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUJOCO_GL", "nonsense")
    with pytest.raises(video.VideoError, match="no working GL"):
        video.render(JOB)
