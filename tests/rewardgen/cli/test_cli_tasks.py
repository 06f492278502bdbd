"""``rewardgen tasks list | show | check | new``: output, schemas, exit codes, bad input."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
import torch

from rewardgen.cli.main import main
from rewardgen.skeleton.names import choose_names
from rewardgen.store.records import CheckRecord, TaskListRecord, TaskRecord
from rewardgen_envs.registry import task_names

FILE = """\
from dataclasses import replace
from rewardgen_envs.cartpole.balance import Balance

class Good(Balance):
    name = "mine/good"

class NoUnit(Balance):
    name = "mine/no-unit"
    features = (replace(Balance.features[0], unit=""), *Balance.features[1:])

class Broken(Balance):
    name = "mine/broken"

    def scene(self):
        spec = super().scene()
        spec.worldbody.add_geom(name="cart")
        return spec
"""


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def task_file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(FILE, encoding="utf-8")
    return path


def last_json(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_list_names_every_installed_task(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tasks", "list", "--json"]) == 0
    record = TaskListRecord.model_validate(last_json(capsys))
    assert [entry.name for entry in record.tasks] == task_names()
    assert main(["tasks", "list"]) == 0
    assert capsys.readouterr().out.split() == task_names()


def test_show_describes_features_and_fitness(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tasks", "show", "hopper/back-flip", "--json"]) == 0
    given = last_json(capsys)
    record = TaskRecord.model_validate(given)
    assert given["class"] == "rewardgen_envs.hopper.back_flip:BackFlip"
    assert record.fitness[0].direction == "higher"
    assert "def compute_reward" in record.human_reward
    assert {feature.name for feature in record.features if feature.private} >= {"landed_flips"}
    assert main(["tasks", "show", "hopper/back-flip"]) == 0
    text = capsys.readouterr().out
    assert all(feature.description in text for feature in record.features)


@pytest.mark.parametrize("option", [[], ["--task"]], ids=["positional", "option"])
def test_check_accepts_a_users_task(
    option: list[str], task_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tasks", "check", *option, f"{task_file}:Good", "--json"]) == 0
    assert CheckRecord.model_validate(last_json(capsys)).verdict == "accepted"


def test_check_refuses_with_rule_and_remedy(
    task_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tasks", "check", f"{task_file}:NoUnit", "--json"]) == 1
    record = CheckRecord.model_validate(last_json(capsys))
    assert record.verdict == "refused"
    assert [finding.rule for finding in record.findings] == ["unit-missing"]
    assert main(["tasks", "check", f"{task_file}:NoUnit"]) == 1
    text = capsys.readouterr().out
    assert "cart_position" in text
    assert record.findings[0].remedy in text


def test_scene_that_does_not_compile_is_a_finding(
    task_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tasks", "check", f"{task_file}:Broken", "--json"]) == 1
    finding = last_json(capsys)["findings"][0]
    assert finding["rule"] == "scene-compiles"
    assert "mine/broken" in finding["message"]
    assert main(["tasks", "show", f"{task_file}:Broken"]) != 0
    assert "mine/broken" in capsys.readouterr().err


def test_file_that_cannot_be_imported_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "broken.py"
    path.write_text("import this_module_is_not_there\n", encoding="utf-8")
    assert main(["tasks", "check", f"{path}:Any", "--json"]) == 1
    record = last_json(capsys)
    assert record["verdict"] == "refused"
    assert "this_module_is_not_there" in record["findings"][0]["message"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["ant/rum"], ["ant/rum", "ant/run"]),
        (["nothing.py:Task"], ["nothing.py"]),
        ([], ["give one task"]),
        (["ant/run", "--task", "ant/run"], ["give one task"]),
        (["ant/run", "--train", "--seeds", "0"], ["--seeds"]),
    ],
)
def test_wrong_usage_exits_with_2(
    arguments: list[str], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tasks", "check", *arguments]) == 2
    error = capsys.readouterr().err
    assert all(word in error for word in words)


def test_unknown_class_names_the_classes_of_the_file(
    task_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tasks", "check", f"{task_file}:Goood"]) == 2
    assert "'Good'" in capsys.readouterr().err


def test_new_by_name_writes_a_pendulum_with_two_gaps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    new = ["tasks", "new", "--name", "pendulum/hold-still"]
    assert main([*new, "--json"]) == 0
    written = last_json(capsys)
    assert written == {
        "task": "hold_still.py:HoldStill",
        "files": ["hold_still.py", "hold_still_reward.py", "hold_still.xml"],
    }
    assert main(["tasks", "check", written["task"], "--json"]) == 1
    rules = [finding["rule"] for finding in last_json(capsys)["findings"]]
    assert rules == ["fitness-missing", "ignores-state"]
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert main(new) == 2
    assert "hold_still.py exists already" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_new_for_a_robot_names_the_task_after_robot_and_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arm = Path(__file__).parents[1] / "skeleton" / "arm.xml"
    out = tmp_path / "new" / "reach.py"
    assert main(["tasks", "new", str(arm), "--out", str(out)]) == 0
    shown = capsys.readouterr()
    assert shown.out.split() == ["wrote", str(out), "wrote", str(out.with_name("reach_reward.py"))]
    assert f"rewardgen tasks check {out}:Reach" in shown.err
    assert main(["tasks", "show", f"{out}:Reach", "--json"]) == 0
    record = TaskRecord.model_validate(last_json(capsys))
    assert record.name == "arm/reach"
    assert record.action_size == 8
    assert "gripper: servo, 0 to 255" in record.about


@pytest.mark.parametrize("name", [*task_names(), "robot/walk-fast", "lab_2/go-3"])
def test_new_takes_names_like_the_registered_ones(name: str) -> None:
    assert choose_names("pendulum", None, name).task == name


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["--out", "--name"]),
        (["go1/walk"], ["go1/walk is no MJCF file", "--name"]),
        (["robot.xml"], ["--out", "--name"]),
        (["robot.xml", "--out", "walk.txt"], ["walk.txt", ".py"]),
        (["robot.xml", "--out", "folder"], ["folder", ".py"]),
        (["robot.xml", "--out", "walk.py"], ["robot.xml does not exist"]),
        (["robot.stl", "--out", "walk.py"], ["robot.stl is no MJCF file", ".xml"]),
        (["robot.xml", "--out", "here.py"], ["here.py exists already", "--out"]),
        (["robot.xml", "--name", "lab/there"], ["there_reward.py exists already"]),
    ],
)
def test_new_refuses_wrong_usage(
    arguments: list[str],
    words: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    for existing in ("here.py", "there_reward.py"):
        (tmp_path / existing).touch()
    assert main(["tasks", "new", *arguments]) == 2
    error = capsys.readouterr().err
    assert all(word in error for word in words), error
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here.py", "there_reward.py"]


@pytest.mark.parametrize(
    "name",
    [
        *("foo", "a/b/c", "my/import os", "lab/3d", "3d/lab", "lab/Mixed", "Lab/mixed", "lab/"),
        *("/walk", "lab/walk\n", "lab/../walk", "lab/walk-", "lab/a--b", "lab/läuft", "lab/none"),
        "lab/import",
    ],
)
def test_new_refuses_a_name_that_is_none(
    name: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["tasks", "new", "--name", name]) == 2
    error = capsys.readouterr().err
    assert repr(name) in error
    assert "robot/walk-fast" in error
    assert not list(tmp_path.iterdir())


MAP = """\
env: MountainCar-v0
name: mountain/discrete
description: Drive up the hill on the right.
features:
  position: {from: 'observation[0]', unit: m, description: Position along the valley.}
fitness:
  highest: {value: position, accumulation: best, unit: m, description: Rightmost place reached.}
"""


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("env:", "recipe: {gama: 0.9}\nenv:", ["gama", "did you mean 'gamma'"]),
        ("env:", "recipe: {schedule: adaptive}\nenv:", ["schedule", "set schedule: fixed"]),
        ("unit: m,", "units: m,", ["features.position.units", "did you mean 'unit'"]),
        ("from: 'observation[0]'", "function: far.py:place", ["features.position", "far.py"]),
    ],
    ids=["recipe", "recipe-value", "entry", "function"],
)
def test_what_is_wrong_in_a_map_is_a_finding(
    old: str, new: str, words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "map.yaml"
    path.write_text(MAP, encoding="utf-8")
    assert main(["tasks", "check", str(path)]) == 0
    path.write_text(MAP.replace(old, new, 1), encoding="utf-8")
    capsys.readouterr()
    assert main(["tasks", "check", str(path), "--json"]) == 1
    (finding,) = CheckRecord.model_validate(last_json(capsys)).findings
    assert all(word in finding.message for word in words)
    assert "map" in finding.remedy
    assert "python FILE" not in finding.remedy, "a map cannot be run"


def test_a_file_without_a_class_is_answered_with_its_classes(
    task_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for given in (str(task_file), f"{task_file}@mass=0.2"):
        assert main(["tasks", "check", given]) == 2
        told = capsys.readouterr().err
        assert f"name its class as well: '{task_file}:Good'" in told
        assert "Valid: Broken, Good, NoUnit" in told
        assert "ant/run" not in told
    assert main(["tasks", "show", str(tmp_path / "none.py")]) == 2
    assert "none.py does not exist" in capsys.readouterr().err


def test_the_command_after_new_can_be_pasted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "my task.py"
    assert main(["tasks", "new", "--out", str(out), "--name", "robot/my-task"]) == 0
    command = shlex.split(capsys.readouterr().err.splitlines()[-1])
    assert command[-4:] == ["rewardgen", "tasks", "check", f"{out}:MyTask"]
