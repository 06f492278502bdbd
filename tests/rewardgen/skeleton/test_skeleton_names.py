"""Names of a new task: of its files, its class, its features."""

from __future__ import annotations

import keyword
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardgen.skeleton.names import choose_names, identifier, with_unique_names
from rewardgen.skeleton.part import Part
from rewardgen_envs.errors import UsageError
from rewardgen_envs.features import Feature, FeatureTable


@pytest.mark.parametrize(
    ("robot", "out", "name", "task", "class_name", "file"),
    [
        ("go1", "walk.py", None, "go1/walk", "Walk", "walk.py"),
        ("robot", "a/my_robot.py", None, "robot/my-robot", "MyRobot", "a/my_robot.py"),
        ("Unitree Go2 (v1.1)", "Walk-2.py", None, "unitree-go2-v1-1/walk-2", "Walk2", "Walk-2.py"),
        ("7dof", "3.py", None, "robot-7dof/robot-3", "Robot3", "3.py"),
        ("go1", None, "lab/stand-up", "lab/stand-up", "StandUp", "stand_up.py"),
        ("go1", "x.py", "lab/stand", "lab/stand", "Stand", "x.py"),
        # words that the file uses itself
        ("point", "path.py", None, "point/path", "PathTask", "path.py"),
        ("lab", "task.py", None, "lab/task", "TaskTask", "task.py"),
    ],
)
def test_names_follow_from_what_was_said(
    robot: str, out: str | None, name: str | None, task: str, class_name: str, file: str
) -> None:
    names = choose_names(robot, None if out is None else Path(out), name)
    assert (names.task, names.class_name, names.file) == (task, class_name, Path(file))
    assert names.reward.name == f"{Path(file).stem}_reward.py"


@given(st.text(), st.text(min_size=1).filter(lambda text: "/" not in text and "\0" not in text))
def test_any_file_gives_a_name_that_is_one(robot: str, stem: str) -> None:
    out = Path(f"{stem}.py")
    if out.suffix != ".py":  # "..py" and the like
        return
    try:
        names = choose_names(robot, out, None)
    except UsageError as error:
        assert keyword.iskeyword(identifier(out.stem, "robot").capitalize()) or "Python's" in str(
            error
        )
        return
    assert choose_names("", out, names.task) == names
    assert names.class_name.isidentifier()


@given(st.lists(st.text(max_size=5), max_size=8))
def test_features_have_names_of_their_own_that_code_can_use(texts: list[str]) -> None:
    parts = [
        Part(Feature(identifier(text, "sensor"), (), "m", "A position."), "0") for text in texts
    ]
    features = [part.feature for part in with_unique_names(parts)]
    assert len(FeatureTable(features)) == len(texts)  # which refuses all others
    assert not any(keyword.iskeyword(feature.name) for feature in features)


@pytest.mark.parametrize("taken", ["terminated", "state", "action", "last_action", "lambda"])
def test_a_sensor_cannot_take_a_name_that_means_something_else(taken: str) -> None:
    part = Part(Feature(identifier(taken, "sensor"), (), "m", "A position."), "0")
    assert [part.feature.name for part in with_unique_names([part, part])] == [
        f"{taken}_2",
        f"{taken}_3",
    ]
