"""The video of a run: whose policies it shows, and a machine that cannot make it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import imageio_ffmpeg
import pytest

from rewardgen import api
from rewardgen.report.write import write_report
from rewardgen.run.display import PlainDisplay
from rewardgen.run.film import film, video_job
from rewardgen.rungs import gl, offscreen
from rewardgen.store import payloads as p
from rewardgen.store.run_directory import RunDirectory, read_run
from tests.rewardgen.run.tiny import SETTINGS, call, command


@pytest.fixture
def copied_run(calm_run: Path, tmp_path: Path) -> Path:
    """A finished run that a test may write into."""
    return Path(shutil.copytree(calm_run, tmp_path / "copy"))


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training of four arms: two files, human and sparse."""
    folder = tmp_path_factory.mktemp("training")
    rewards: list[str] = []
    for name in ("first.py", "second.py"):
        (folder / name).write_text(
            "def compute_reward(state, action, next_state):\n"
            "    x = next_state.pole_angle\n"
            '    return -x.abs(), {"x": -x.abs()}\n'
        )
        rewards.append(f"--reward={folder / name}")
    flags = ["--task=cartpole/balance", "--seeds=1", "--env-steps=1000", "--eval-episodes=1"]
    places = [f"--runs-dir={folder}", "--name=it"]
    done = call(
        command(
            "train", *flags, rewards[0], "--reward=human", rewards[1], "--reward=sparse", *places
        )
    )
    assert done.returncode == 0, done.stderr
    return folder / "it"


def test_a_search_shows_winner_human_and_sparse(calm_run: Path, tmp_path: Path) -> None:
    run = read_run(calm_run)
    job = video_job(run.state, run.artifacts, tmp_path / "film.mp4")
    assert job.labels == ("winner", "human", "sparse")
    arms = run.state.trials["confirm"].members
    first = [next(iter(arms[label].values())).checkpoint for label in job.labels]
    assert [Path(checkpoint).name for checkpoint in job.checkpoints] == first


@pytest.mark.slow
def test_a_training_shows_its_first_three_arms(training: Path, tmp_path: Path) -> None:
    run = read_run(training)
    labels = video_job(run.state, run.artifacts, tmp_path / "film.mp4").labels
    assert [Path(label).name for label in labels] == ["first.py", "human", "second.py"]


def test_an_unconfirmed_search_shows_its_best_candidates(calm_run: Path, tmp_path: Path) -> None:
    run = read_run(calm_run)
    del run.state.trials["confirm"]
    assert p.PLAYOFF in run.state.trials, "its policies are not confirmed ones"
    labels = video_job(run.state, run.artifacts, tmp_path / "film.mp4").labels
    fitness = {c.id: c.fitness for c in api.load(calm_run).candidates if c.fitness is not None}
    assert [fitness[label] for label in labels] == sorted(fitness.values(), reverse=True)[:3]


def test_a_run_without_a_policy_has_no_video(calm_run: Path, tmp_path: Path) -> None:
    run = read_run(calm_run)
    del run.state.trials["confirm"]
    run.state.candidates.clear()
    with pytest.raises(offscreen.RenderError, match="no trained policy"):
        video_job(run.state, run.artifacts, tmp_path / "film.mp4")


@pytest.mark.slow
@pytest.mark.skipif(not offscreen.gl_backends(), reason="needs working GL")
def test_three_policies_side_by_side_in_the_report(copied_run: Path) -> None:
    with RunDirectory.resume(copied_run) as directory:
        film(directory, PlainDisplay())
    size = next(imageio_ffmpeg.read_frames(str(copied_run / "video.mp4")))["size"]
    assert size == (3 * 480, 360)
    page = write_report(copied_run).read_text()
    assert page.count('src="data:video/mp4;base64,') == 1
    assert page.index("<h3>Video</h3>") < page.index("<h3>Its terms along training</h3>")


def test_without_gl_a_run_ends_normally_and_its_report_says_why(
    copied_run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gl, "CHOSEN", "nonsense")
    with RunDirectory.resume(copied_run) as directory:
        film(directory, PlainDisplay())
        film(directory, PlainDisplay())  # a resumed run tries again
        directory.append(p.RunFinished())
    said = capsys.readouterr().err
    record = api.load(copied_run)
    assert record.state == "done"
    assert len(record.notes) == 1, "said once"
    assert record.notes[0] in said
    for part in ("no working GL", "nonsense: ", "Install libegl1", "unset MUJOCO_GL"):
        assert part in record.notes[0]
    assert not (copied_run / "video.mp4").exists()
    assert "Install libegl1" in write_report(copied_run).read_text()


@pytest.mark.slow
def test_a_whole_run_without_gl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUJOCO_GL", "nonsense")
    flags = [f"--{key}={value}" for key, value in SETTINGS.items()]
    # what the variable says counts when MuJoCo is imported
    done = subprocess.run(
        command("run", *flags, f"--runs-dir={tmp_path}", "--name=blind"),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Install libegl1" in done.stderr
    report = (tmp_path / "blind" / "report.html").read_text()
    assert "There is no video; the notes on the run say why." in report
    assert "Install libegl1" in report
    assert not (tmp_path / "blind" / "jobs").exists()
