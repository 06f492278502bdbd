"""The library as a whole: its tasks are different questions, over many robots."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Hashable
from pathlib import Path

import pytest

import rewardgen_envs
import rewardgen_policies
from rewardgen_envs.registry import load_task, task_names
from rewardgen_envs.task import Task
from tests.every_task import family

MIB = 2**20
PACKAGE = Path(rewardgen_envs.__file__).parent


@pytest.fixture(scope="module")
def tasks() -> dict[str, Task]:
    return {name: load_task(name) for name in task_names()}


def shared(values: dict[str, Hashable]) -> list[list[str]]:
    """Return the groups of tasks with the same value."""
    counts = Counter(values.values())
    return [
        [name for name, found in values.items() if found == value]
        for value, count in counts.items()
        if count > 1
    ]


def code_of(path: Path) -> str:
    """Return a reward without comments, names of files and the docstring."""
    module = ast.parse(path.read_text())
    return ast.dump(ast.Module(module.body[1:], []))


def test_no_two_tasks_ask_for_the_same(tasks: dict[str, Task]) -> None:
    assert shared({name: task.description.casefold() for name, task in tasks.items()}) == []
    assert shared({name: code_of(task.human_reward) for name, task in tasks.items()}) == []
    # how fast a robot runs is asked of several robots, but of none twice
    fitness = {
        name: (family(name), task.metric.description.casefold()) for name, task in tasks.items()
    }
    assert shared(fitness) == []


def test_tasks_are_spread_over_scenes(tasks: dict[str, Task]) -> None:
    scenes = Counter(task.scene_sha256 for task in tasks.values())
    assert len(scenes) >= 12
    assert max(scenes.values()) <= 8


def test_assets_stay_small_and_have_their_licences() -> None:
    folders = sorted(PACKAGE.glob("*/assets"))
    assert folders
    sizes = {
        folder: sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
        for folder in folders
    }
    assert sum(sizes.values()) <= 25 * MIB
    sources = (PACKAGE / "ASSETS.md").read_text()
    for folder in folders:
        assert f"{folder.parent.name}/assets" in sources


def test_what_comes_with_the_wheel_of_trained_policies_stays_small() -> None:
    folder = Path(rewardgen_policies.__file__).parent / "baselines"
    files = [path for path in folder.iterdir() if path.is_file()]
    assert len(files) > 40
    assert sum(path.stat().st_size for path in files) <= 5 * MIB
