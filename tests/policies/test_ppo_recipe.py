from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rewardgen_policies.recipe import (
    Recipe,
    RecipeError,
    load_recipe,
    parse_recipe,
    with_overrides,
)


def test_hash_follows_every_setting() -> None:
    base = Recipe()
    assert base.sha256 == Recipe().sha256
    changed = {
        "worlds": 16,
        "steps": 32,
        "epochs": 4,
        "minibatches": 2,
        "gamma": 0.98,
        "gae_lambda": 0.9,
        "clip": 0.1,
        "value_coef": 1.0,
        "entropy_coef": 0.02,
        "max_grad_norm": 0.4,
        "learning_rate": 2e-4,
        "schedule": "fixed",
        "desired_kl": 0.02,
        "hidden": (32,),
        "init_std": 0.7,
        "min_std": 0.1,
        "normalize_observations": False,
        "normalize_values": False,
    }
    assert changed.keys() == Recipe.model_fields.keys()
    hashes = {Recipe.model_validate({name: value}).sha256 for name, value in changed.items()}
    assert len(hashes | {base.sha256}) == len(changed) + 1


def test_recipe_is_frozen() -> None:
    with pytest.raises(ValidationError):
        Recipe().gamma = 0.5  # type: ignore[misc]


@given(st.integers(1, 10**7))
def test_updates_cover_the_env_steps_and_no_more(env_steps: int) -> None:
    recipe = Recipe()
    updates = recipe.updates(env_steps)
    assert (updates - 1) * recipe.samples < env_steps <= updates * recipe.samples


def test_unknown_setting_names_the_nearest() -> None:
    with pytest.raises(RecipeError, match=r"a\.yaml: unknown setting 'gama'; did you mean 'gamma'"):
        parse_recipe({"gama": 0.9}, "a.yaml")


@pytest.mark.parametrize(
    ("data", "culprit"),
    [
        ({"gamma": 1.0}, "gamma"),
        ({"worlds": 0}, "worlds"),
        ({"hidden": []}, "hidden"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"schedule": "cosine"}, "'adaptive' or 'fixed'"),
        ({"worlds": 3, "steps": 5}, "15 samples cannot be cut into 4"),
    ],
)
def test_bad_values_name_the_culprit(data: dict[str, object], culprit: str) -> None:
    with pytest.raises(RecipeError, match=culprit):
        parse_recipe(data, "recipe")


def test_overrides_change_member_settings_only() -> None:
    assert with_overrides(Recipe(), {"clip": 0.1}) == Recipe(clip=0.1)
    with pytest.raises(RecipeError, match=r"'worlds' cannot be overridden per member.*Valid: clip"):
        with_overrides(Recipe(), {"worlds": 8})
    with pytest.raises(RecipeError, match="clip"):
        with_overrides(Recipe(), {"clip": -1.0})


def test_yaml(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("worlds: 8\nhidden: [32, 32]\n")
    assert load_recipe(path) == Recipe(worlds=8, hidden=(32, 32))
    path.write_text("# all defaults\n")
    assert load_recipe(path) == Recipe()


@pytest.mark.parametrize("text", ["- 1\n", "a: [\n", "worlds: many\n"])
def test_bad_yaml_names_the_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=r"recipe\.yaml"):
        load_recipe(path)


def test_a_setting_given_twice_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("gamma: 0.9\n\ngamma: 0.8\n")
    with pytest.raises(RecipeError, match=r"recipe\.yaml: line 3: key 'gamma' is given twice"):
        load_recipe(path)


def test_every_bad_setting_is_named() -> None:
    with pytest.raises(RecipeError, match=r"a\.yaml: gamma: .*; clip: "):
        parse_recipe({"gamma": 2.0, "clip": -1.0}, "a.yaml")


def test_missing_yaml(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="cannot read"):
        load_recipe(tmp_path / "none.yaml")
