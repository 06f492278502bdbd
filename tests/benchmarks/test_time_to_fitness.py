"""The time-to-fitness benchmark: trainings that are put aside and gone on with, and its figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks import growth, harness, references, time_to_fitness
from benchmarks.growth import Growth, grow
from benchmarks.harness import MissingPartError
from benchmarks.sb3.zoo import N_STEPS, ZOO, Training
from benchmarks.tables import TABLES
from benchmarks.time_to_fitness import SEEDS, combine, reference
from rewardgen_envs.registry import load_task
from rewardgen_policies.checkpoint import load_checkpoint


def weights(training: Training) -> dict[str, torch.Tensor]:
    return training._model.policy.state_dict()


class TestTraining:
    def test_a_training_put_aside_learns_as_in_one_go(self, tmp_path: Path) -> None:
        task = load_task("hopper/run")
        whole = Training(task, 3)
        whole.learn(3 * N_STEPS)

        first = Training.load(task, 3, tmp_path)
        first.learn(N_STEPS)
        first.save(tmp_path)
        torch.manual_seed(99)  # another process is not where this one is
        np.random.seed(99)
        second = Training.load(task, 3, tmp_path)
        assert second.env_steps == N_STEPS
        assert second.wall_s == first.wall_s > 0.0
        second.learn(2 * N_STEPS)

        assert second.env_steps == whole.env_steps == 3 * N_STEPS
        expected, found = weights(whole), weights(second)
        assert all(torch.equal(expected[name], found[name]) for name in expected)
        observation = np.linspace(-1.0, 1.0, 11)
        assert np.array_equal(whole.policy()(observation), second.policy()(observation))

    def test_the_policy_sees_normalized_observations(self) -> None:
        training = Training(load_task("hopper/run"), 3)
        training.learn(N_STEPS)
        observation = np.linspace(-1.0, 1.0, 11)
        moments = training._env.obs_rms
        expected = np.clip((observation - moments.mean) / np.sqrt(moments.var + 1e-8), -10, 10)
        raw = training._model.predict(expected.astype(np.float32), deterministic=True)[0]
        assert np.allclose(training.policy()(observation), raw, atol=1e-5)

    def test_every_setting_of_the_zoo_reaches_sb3(self) -> None:
        for name, settings in ZOO.items():
            model = Training(load_task(name), 0)._model
            assert (model.n_steps, model.n_envs, model.n_epochs) == (512, 1, settings.n_epochs)
            assert (model.gamma, model.gae_lambda) == (settings.gamma, settings.gae_lambda)
            assert model.lr_schedule(1.0) == model.lr_schedule(0.0) == settings.learning_rate
            assert model.clip_range(0.5) == settings.clip_range
            assert [layer.out_features for layer in model.policy.mlp_extractor.policy_net[::2]] == [
                256,
                256,
            ]
            assert float(model.policy.log_std.detach()[0]) == -2.0


def test_a_population_grows_on_as_if_it_had_not_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(growth, "returns", lambda task, act: float(act(np.zeros(11))[0]))
    task = load_task("hopper/run")
    recipe = time_to_fitness.recipe_of(task)

    def trained(folder: str, rungs: int, limit_s: float = 1e9) -> Growth:
        path = tmp_path / folder
        return grow(
            task,
            recipe,
            (1, 2),
            path,
            rung_steps=recipe.samples,
            enough=lambda grown: grown.rungs >= rungs,
            limit_s=limit_s,
        )

    whole = trained("whole", 2)
    assert whole.env_steps == (recipe.samples, 2 * recipe.samples)
    assert trained("parts", 2, limit_s=0.0).rungs == 0  # no time: nothing is begun
    assert trained("parts", 1).rungs == 1
    again = trained("parts", 2)
    assert (again.env_steps, again.scores) == (whole.env_steps, whole.scores)
    assert len(again.train_s) == 2
    for seed in (1, 2):
        states = [
            load_checkpoint(tmp_path / folder / f"2-{seed}.safetensors")
            for folder in ("whole", "parts")
        ]
        assert all(torch.equal(states[0].tensors[k], v) for k, v in states[1].tensors.items())
    assert trained("parts", 1) == again  # what is enough is not trained again


def sb3(seeds: range, scores: float = 1_000.0) -> dict[str, Any]:
    trained = {
        str(seed): {"env_steps": 1_000_000, "wall_s": 500.0, "score": scores + seed}
        for seed in seeds
    }
    return {"task": "hopper/run", "side": "sb3", "trained": trained}


def ours(scores: float, *, done: bool = True) -> dict[str, Any]:
    return {
        "task": "hopper/run",
        "side": "ours",
        "done": done,
        "env_steps": 2_000_000 if done else None,
        "scores": [scores] * 8 if done else None,
        "curve": [[1_000_000, 500.0], [2_000_000, scores]],
        "train_s": 300.0,
    }


def rates(ours_rate: float) -> dict[str, Any]:
    return {
        "task": "hopper/run",
        "side": "rates",
        "rates": {"ours": ours_rate, "sb3": 5_000.0},
        "turns": {},
    }


class TestCombine:
    def test_times_are_env_steps_by_rates(self) -> None:
        figures = combine([sb3(range(4)), sb3(range(4, 8)), ours(1_100.0), rates(40_000.0)])
        hopper = figures["hopper/run"]
        assert hopper["sb3_s"] == 8 * 1_000_000 / 5_000.0
        assert hopper["ours_s"] == 8 * 2_000_000 / 40_000.0
        assert hopper["share_of_time"] == pytest.approx(0.25)
        assert hopper["sb3_whole_s"] == 8 * 500.0 / 2
        assert hopper["reached"]

    def test_both_the_score_and_the_time_count(self) -> None:
        references = [sb3(range(8))]
        weak = combine([*references, ours(1_000.0), rates(40_000.0)])["hopper/run"]
        assert not weak["reached"]
        slow = combine([*references, ours(1_100.0), rates(20_000.0)])["hopper/run"]
        assert slow["share_of_time"] == pytest.approx(0.5)
        assert not slow["reached"]

    def test_what_is_not_done_has_no_figures(self) -> None:
        assert combine([sb3(range(8)), ours(1.0, done=False), rates(1.0)]) == {}
        assert combine([sb3(range(7)), ours(1.0), rates(1.0)]) == {}
        with pytest.raises(MissingPartError, match="7 of 8"):
            reference([sb3(range(7))], "hopper/run")


def test_a_part_says_what_is_to_be_measured_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(harness, "RESULTS", tmp_path)
    monkeypatch.setattr("sys.argv", ["time_to_fitness.py", "--part", "5"])
    with pytest.raises(SystemExit) as left:
        time_to_fitness.BENCHMARK.main()
    assert left.value.code == 1
    assert "0 of 8 trainings of SB3 are done" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_all_parts_of_a_task_at_the_smallest_budgets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (harness, references):
        monkeypatch.setattr(module, "RESULTS", tmp_path)
    monkeypatch.setattr(time_to_fitness, "WORK", tmp_path / "work")
    monkeypatch.setattr(time_to_fitness, "SB3_STEPS", 2 * N_STEPS)
    monkeypatch.setattr(time_to_fitness, "RUNG_STEPS", 2_048)
    monkeypatch.setattr(time_to_fitness, "MAX_RUNGS", 2)
    monkeypatch.setattr(time_to_fitness, "SLICE_S", 0.5)
    monkeypatch.setattr(time_to_fitness, "TURNS", 1)
    for number, part in enumerate(time_to_fitness.BENCHMARK.parts[:7], 1):
        time_to_fitness.BENCHMARK._record(number, part())
    parts = harness.latest("time_to_fitness")
    figures = combine(parts)["hopper/run"]
    assert len(figures["sb3"]) == len(figures["ours"]) == len(SEEDS)
    assert figures["share_of_time"] == pytest.approx(figures["ours_s"] / figures["sb3_s"])
    assert not list((tmp_path / "work").rglob("*.safetensors"))  # nothing unfinished is left
    assert "hopper/run" in TABLES["time_to_fitness"](parts)
