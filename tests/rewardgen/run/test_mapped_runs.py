"""Runs on Gymnasium environments: a whole search, resumption, and what is refused at once."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from rewardgen import api
from rewardgen.cli.main import main
from rewardgen.config import parse_config, train_config
from rewardgen.run.session import InterruptedRunError
from rewardgen.rungs.executor import LocalExecutor
from rewardgen.store.records import ShowRecord

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples" / "gymnasium"
FAST = {"worlds": 2, "steps": 32, "epochs": 1, "minibatches": 2, "schedule": "fixed"}


@pytest.fixture
def car(tmp_path: Path) -> Path:
    """The example of the mountain car, with short episodes and a recipe to match."""
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(FAST))
    entries = yaml.safe_load((EXAMPLES / "mountain_car.yaml").read_text())
    path = tmp_path / "car.yaml"
    path.write_text(yaml.safe_dump({**entries, "steps": 30}, sort_keys=False))
    reward = "mountain_car_reward.py"
    (tmp_path / reward).write_text((EXAMPLES / reward).read_text())
    return path


def settings(car: Path, **more: object) -> dict[str, Any]:
    folder = car.parent
    return {
        "task": str(car),
        "recipe": folder / "recipe.yaml",
        "runs_dir": folder / "runs",
        "env_steps": 128,
        "eval_episodes": 2,
        "threads": 2,
        "writers": (),
        **more,
    }


@pytest.mark.slow
def test_a_whole_search(car: Path) -> None:
    config = parse_config(
        settings(
            car,
            name="search",
            iterations=2,
            samples=3,
            train_seeds=1,
            rungs=2,
            confirm_seeds=2,
            confirm_episodes=2,
            render=False,
        ),
        "test",
    )
    record = api.run(config)
    assert record.state == "done"
    assert record.winner is not None
    assert record.simulated_by == "MountainCarContinuous-v0 on cpu"
    assert [arm.arm for arm in record.arms] == ["winner", "human", "sparse"]
    assert {c.state for c in record.candidates} <= {"evaluated", "retired", "confirmed"}
    members = [member for arm in record.arms for member in arm.members]
    assert {len(member.fitness) for member in members} == {2}
    assert {member.env_steps for member in members} == {128}
    # -0.1 per squared push and step, 30 steps: what any policy pays that does not arrive
    returns = [value for member in members for value in member.metrics["env_return"]]
    assert all(-3.0 <= value <= 0.0 for value in returns)
    assert (car.parent / "runs" / "search" / "report.html").is_file()


def comparable(record: ShowRecord) -> list[Any]:
    return [
        (member.train_seed, member.metrics, member.checkpoint)
        for arm in record.arms
        for member in arm.members
    ]


@pytest.mark.slow
def test_a_resumed_training_equals_an_undisturbed_one(
    car: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = {"reward": ("human", "sparse"), "seeds": 2, "rungs": 2}
    expected = api.train(train_config(settings(car, name="calm", **chosen)))
    train, calls = LocalExecutor.train, list[str]()

    def interrupted(self: LocalExecutor, name: str, *rest: Any) -> Any:  # noqa: ANN401
        calls.append(name)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return train(self, name, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(LocalExecutor, "train", interrupted)
        with pytest.raises(InterruptedRunError):
            api.train(train_config(settings(car, name="stopped", **chosen)))
    record = api.resume("stopped", car.parent / "runs")
    assert record.state == "done"
    assert comparable(record) == comparable(expected)
    assert all(member.checkpoint for arm in record.arms for member in arm.members)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main([*arguments, "--env-steps", "64"]) == 2
    return capsys.readouterr().err


def test_gpus_and_engines_are_refused(car: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for flag in ("--device=cuda", "--engine=warp"):
        told = refused(capsys, "train", "--task", str(car), flag)
        assert "it steps itself" in told
        assert "leave out --engine and --device" in told


def test_without_sb3_the_extra_is_named(
    car: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rewardgen_policies.sb3.settings.find_spec", lambda _: None)
    assert "pip install 'rewardgen-lab[sb3]'" in refused(capsys, "train", "--task", str(car))
    assert importlib.util.find_spec("stable_baselines3") is not None


def test_a_recipe_that_sb3_cannot_follow_is_refused(
    car: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = car.parent / "bad.yaml"
    bad.write_text("schedule: adaptive\n")
    told = refused(capsys, "train", "--task", str(car), "--recipe", str(bad))
    assert "set schedule: fixed" in told
    car.write_text(car.read_text() + "recipe: {gama: 0.9}\n")
    told = refused(capsys, "train", "--task", str(car))
    assert "unknown setting 'gama'; did you mean 'gamma'" in told


def test_an_environment_without_a_map_is_answered_with_how_to_get_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = refused(capsys, "train", "--task", "gym:Pendulum-v1")
    assert "rewardgen tasks show gym:Pendulum-v1 > map.yaml" in told
    assert main(["tasks", "show", "gym:Pendulum-v1"]) == 0
    assert "observation_2: {from: 'observation[2]'" in capsys.readouterr().out
    assert main(["tasks", "show", "gym:Pendulom-v1"]) == 2
    assert "did you mean 'Pendulum-v1'" in capsys.readouterr().err


def test_a_card_without_a_picture_says_why_in_a_line(
    car: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tasks", "show", str(car), "--card", str(tmp_path / "cards")]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("rewardgen: no picture ")
    assert lines[1] == f"rewardgen: wrote {next((tmp_path / 'cards').glob('*.md'))}"


def test_a_search_cannot_start_from_a_reward_that_nobody_has(
    car: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = yaml.safe_load(car.read_text())
    del entries["human_reward"]
    car.write_text(yaml.safe_dump(entries, sort_keys=False))
    told = refused(capsys, "run", "--task", str(car), "--start", "human")
    assert "has no human reward to start from" in told
    assert main(["tasks", "show", str(car)]) == 0
    assert "the environment's own, which no candidate sees" in capsys.readouterr().out


def test_a_fitness_of_ones_own_is_tried(car: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.set_num_threads(1)
    fitness = car.parent / "fitness.py"
    fitness.write_text("def fitness(state, action, next_state):\n    return next_state.hight\n")
    told = refused(capsys, "run", "--task", str(car), "--fitness", str(fitness))
    assert "no feature 'hight'; did you mean 'height'" in told
