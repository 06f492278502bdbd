"""``rewardgen tasks list | show | check | new``: output, schemas, exit codes, bad input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from rewardgen.cli.main import main
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


def test_new_writes_a_skeleton_whose_gaps_the_check_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = ["tasks", "new", "pendulum/hold-still", "--directory", str(tmp_path)]
    assert main([*new, "--json"]) == 0
    written = last_json(capsys)
    assert sorted(Path(f).name for f in written["files"]) == [
        "hold_still.py",
        "hold_still.xml",
        "hold_still_reward.py",
    ]
    assert written["task"].endswith("hold_still.py:HoldStill")
    assert main(["tasks", "check", written["task"], "--json"]) == 1
    rules = {finding["rule"] for finding in last_json(capsys)["findings"]}
    assert rules == {"sentence-missing", "unit-missing", "ignores-state"}
    assert main(new) == 2
    assert "exists already" in capsys.readouterr().err


@pytest.mark.parametrize("name", [*task_names(), "robot/walk-fast", "lab_2/go-3"])
def test_new_takes_names_like_the_registered_ones(name: str, tmp_path: Path) -> None:
    assert main(["tasks", "new", name, "--directory", str(tmp_path)]) == 0


def test_new_turns_every_joint_into_features(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scene = tmp_path / "mixed.xml"
    scene.write_text(
        """<mujoco><worldbody><body name="base"><freejoint/><geom size="0.1" mass="1"/>
        <body pos="0.5 0 0"><joint type="slide" name="rail" range="-1 1" limited="true"/>
        <joint type="ball" name="wrist"/><geom size="0.1" mass="1"/>
        <body pos="0.5 0 0"><joint name="elbow"/><geom size="0.1" mass="1"/></body></body></body>
        </worldbody><actuator><motor joint="elbow" ctrlrange="-1 1"/></actuator></mujoco>""",
        encoding="utf-8",
    )
    arguments = ["--scene", str(scene), "--directory", str(tmp_path)]
    assert main(["tasks", "new", "lab/mixed", *arguments, "--json"]) == 0
    reference = last_json(capsys)["task"]
    assert main(["tasks", "show", reference, "--json"]) == 0
    names = {feature["name"] for feature in last_json(capsys)["features"]}
    assert names >= {
        "base_position",
        "base_quaternion",
        "base_velocity",
        "base_angular_velocity",
        "number_2_quaternion",
        "slide_positions",
        "joint_angles",
    }


@pytest.mark.parametrize(
    "name",
    [
        *("foo", "a/b/c", "my/import os", "lab/3d", "3d/lab", "lab/Mixed", "Lab/mixed", "lab/"),
        *("/walk", "lab/walk\n", "lab/../walk", "lab/walk-", "lab/a--b", "lab/läuft", "lab/none"),
        "lab/import",
    ],
)
def test_new_refuses_a_name_that_is_none(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tasks", "new", name, "--directory", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert repr(name) in error
    assert "robot/walk-fast" in error
    assert not list(tmp_path.iterdir())
