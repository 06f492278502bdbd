"""Which recipe a task is trained with."""

from __future__ import annotations

from pathlib import Path

import pytest

from rewardgen.config import ConfigError, configs_directory, mapped_recipe_path, recipe_path
from rewardgen_envs.registry import task_names
from rewardgen_policies.recipe import load_recipe


@pytest.mark.parametrize(
    ("task", "file"),
    [
        ("hopper/run", "hopper-run.yaml"),
        ("hopper/back-flip", "hopper.yaml"),
        ("hop/run", None),
    ],
)
def test_a_task_has_its_own_recipe_or_its_familys(task: str, file: str | None) -> None:
    path = recipe_path(task, None)
    assert (path and path.name) == file


def test_a_chosen_recipe_goes_before_all(tmp_path: Path) -> None:
    chosen = tmp_path / "mine.yaml"
    chosen.write_text("gamma: 0.9\n")
    assert recipe_path("hopper/run", chosen) == chosen
    with pytest.raises(ConfigError, match=r"none\.yaml does not exist"):
        recipe_path("hopper/run", tmp_path / "none.yaml")


RECIPES = sorted((configs_directory() / "recipes").iterdir())


@pytest.mark.parametrize("file", RECIPES, ids=lambda file: file.name)
def test_every_recipe_is_valid_and_used(file: Path) -> None:
    load_recipe(file)
    assert file in [mapped_recipe_path(), *(recipe_path(task, None) for task in task_names())]
