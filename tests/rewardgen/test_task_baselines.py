"""``tasks baseline`` measures human, sparse and chance, and reports refer to what it kept."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import fmean

import pytest
import torch
from scipy.stats import spearmanr

from rewardgen import api
from rewardgen.baseline import rank_correlations
from rewardgen.cli.main import main
from rewardgen.report.normalized import normalized_line
from rewardgen.store.baselines import Baseline, baseline_file, load_baseline
from rewardgen.store.normalized import stored_baseline
from rewardgen.store.run_directory import read_run
from rewardgen_envs.registry import load_task
from rewardgen_policies.stored_policy import load_policy

TASK = "cartpole/balance"
COMMAND = ["tasks", "baseline", TASK, "--seeds", "2", "--env-steps", "4096", "--rungs", "2"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a baseline and its run."""
    folder = tmp_path_factory.mktemp("baseline")
    where = ["--runs-dir", str(folder / "runs"), "--out", str(folder), "--name", "measured"]
    assert main([*COMMAND, *where]) == 0
    return folder


def stored(folder: Path) -> Baseline:
    found = load_baseline(baseline_file(TASK, folder))
    assert found is not None
    return found


def test_what_is_kept_is_what_the_run_measured(made: Path) -> None:
    record, kept = api.load("measured", made / "runs"), stored(made)
    arms = {arm.arm: arm for arm in record.arms}
    for name, arm in (("human", kept.human), ("sparse", kept.sparse)):
        assert arm.points == tuple(fmean(m.fitness) for m in arms[name].members)
        assert (arm.iqm, arm.interval) == (arms[name].iqm, arms[name].interval)
        episodes = [value for m in arms[name].members for value in m.fitness]
        assert kept.success_threshold is not None
        reached = sum(value >= kept.success_threshold for value in episodes)
        assert arm.success == reached / len(episodes)
        assert arm.curve is not None
        assert arm.curve.env_steps[-1] == 4096
    assert len(kept.random.points) == 100
    assert kept.random.iqm < kept.human.iqm
    assert (kept.recipe_sha256, kept.env_steps) == (record.recipe_sha256, 4096)


def test_policy_that_is_kept_is_one_of_the_run(made: Path) -> None:
    policy = load_policy(TASK, made)
    assert policy is not None
    seeds = [m.train_seed for m in api.load("measured", made / "runs").arms[0].members]
    assert policy.origin.seed in seeds
    assert policy.counters.env_steps == 4096


def test_results_of_a_finished_run_can_be_kept_afterwards(made: Path, tmp_path: Path) -> None:
    where = ["--runs-dir", str(made / "runs"), "--out", str(tmp_path)]
    assert main(["tasks", "baseline", TASK, "--from", "measured", *where]) == 0
    for file in made.glob("cartpole-balance.*"):
        assert (tmp_path / file.name).read_bytes() == file.read_bytes()


def test_wrong_input_is_refused_before_anything_is_trained(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = ["--runs-dir", str(tmp_path / "runs")]
    file = tmp_path / "file"
    file.touch()
    told = {
        "at least 2 seeds": ["--seeds", "1"],
        "not cartpole/balance": ["--from", "other", "--runs-dir", str(made / "runs")],
        "File exists": ["--out", str(file)],
    }
    trained = ["train", "--task", "cartpole/swing-up", "--seeds", "1", "--env-steps", "2048"]
    assert main([*trained, "--name", "other", "--runs-dir", str(made / "runs")]) == 0
    for text, flags in told.items():
        assert main([*COMMAND, *runs, *flags]) != 0
        assert text in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_scores_are_normalized_by_what_is_kept(made: Path, tmp_path: Path) -> None:
    started = read_run(made / "runs" / "measured").state.started
    assert started is not None
    assert stored_baseline(started, tmp_path) is None
    apart = json.loads(baseline_file(TASK, made).read_text())
    apart["human"] |= {"iqm": 0.9, "interval": [0.8, 1.0]}
    apart["sparse"] |= {"iqm": 0.4, "interval": [0.3, 0.5]}
    baseline_file(TASK, tmp_path).write_text(json.dumps(apart))
    found = stored_baseline(started, tmp_path)
    assert found is not None
    assert found.normalized(0.65) == pytest.approx(0.5)
    assert found.normalized(None) is None
    record = api.load("measured", made / "runs")
    arms = tuple(arm.model_copy(update={"human_normalized": 0.5}) for arm in record.arms)
    line = normalized_line(record.model_copy(update={"arms": arms, "baseline": found.record}))
    assert "0: sparse 0.400 [0.300, 0.500], 1: human 0.900 [0.800, 1.00]" in line
    assert line.endswith("human 0.500 and sparse 0.500.")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"task_version": 99}, "another version of the task"),
        ({"scene_sha256": "0" * 64}, "another version of the task"),
        ({"recipe_sha256": "0" * 64}, "another recipe"),
        ({"metric": "speed"}, "they measure speed"),
        ({}, "intervals of human and sparse overlap"),
    ],
)
def test_score_is_undefined_with_a_reason(
    made: Path, tmp_path: Path, changes: dict[str, object], reason: str
) -> None:
    started = read_run(made / "runs" / "measured").state.started
    assert started is not None
    text = json.loads(baseline_file(TASK, made).read_text())
    text["sparse"]["interval"] = text["human"]["interval"]
    baseline_file(TASK, tmp_path).write_text(json.dumps(text | changes))
    found = stored_baseline(started, tmp_path)
    assert found is not None
    assert reason in found.record.undefined
    assert found.normalized(0.5) is None
    record = api.load("measured", made / "runs")
    line = normalized_line(record.model_copy(update={"baseline": found.record}))
    assert "undefined" in line
    assert reason in line


def test_rank_correlations_are_spearmans() -> None:
    task = load_task(TASK)
    generator = torch.Generator().manual_seed(0)
    means = torch.rand(40, task.table.width, generator=generator).round(decimals=1)  # with ties
    means[:, 1] = 3.0
    fitness = means[:, 0] + torch.rand(40, generator=generator)
    found = list(rank_correlations(task, means, fitness).items())
    assert found[1] == ("cart_velocity", None)
    expected = spearmanr(means[:, 0].numpy(), fitness.numpy()).statistic
    assert found[0] == ("cart_position", pytest.approx(expected, abs=1e-4))
    assert len(found) == task.table.public_width
