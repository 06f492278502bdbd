"""Budgets of environment steps: what is planned, what is the most, and that a cap is one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from rewardgen.config import RunConfig, configs_directory
from rewardgen.run import budget
from rewardgen.run.budget import (
    check_memory,
    closing_env_steps,
    estimate,
    iteration_env_steps,
    memory_bytes,
    most_env_steps,
    most_finalists,
    plan_env_steps,
    survey_env_steps,
)
from rewardgen.store.run_directory import read_run
from rewardgen_envs.engines.base import EngineError
from rewardgen_envs.errors import UsageError
from rewardgen_envs.registry import load_task
from rewardgen_policies.recipe import Recipe, load_recipe
from tests.rewardgen.run.tiny import SETTINGS, call, command

# no episode ends early, and no score differs: nobody retires between the rungs
TIED = """
import torch
from rewardgen_envs.cartpole.swing_up import SwingUp


class Tied(SwingUp):
    name = "cartpole/tied"

    def fitness(self, features):
        return {"upright_share": torch.zeros_like(features.pole_angle)}
"""


def tiny_config(task: str, **changes: object) -> RunConfig:
    """Return the tiny search on another task."""
    settings = {key.replace("-", "_"): value for key, value in SETTINGS.items()}
    return RunConfig.model_validate({**settings, "task": task, **changes})


def least_cap(config: RunConfig, recipe: Recipe) -> int:
    """Return what survey, one iteration, play-off and confirmation may take."""
    task = load_task(config.task)
    return (
        survey_env_steps(task)
        + iteration_env_steps(config, task, recipe)
        + closing_env_steps(config, task, recipe)
    )


@pytest.mark.parametrize(
    ("keep", "trained"), [(0.5, (10, 5, 3)), (0.25, (10, 3)), (1.0, (10, 10, 10))]
)
def test_the_plan_lets_candidates_retire_and_the_most_does_not(
    keep: float, trained: Sequence[int]
) -> None:
    config = tiny_config(
        "cartpole/balance", samples=10, rungs=3, keep=keep, iterations=1, env_steps=3 * 4096
    )
    task, recipe = load_task(config.task), Recipe()
    per_rung = math.ceil(4096 / recipe.samples) * recipe.samples
    member = per_rung + config.eval_episodes * task.episode_steps
    retired = member * (3 * 10 - sum(trained))
    # the incumbent meets the others once, or at each rung if scores tie
    met = 2 * config.eval_episodes * task.episode_steps
    planned = plan_env_steps(config, task, recipe)
    # of four finalists with two seeds each two retire after a third, another after two thirds
    third = math.ceil(config.env_steps / 3 / recipe.samples) * recipe.samples
    retired += 2 * (2 + 3) * (third + config.eval_episodes * task.episode_steps)
    assert most_env_steps(config, task, recipe) - planned == retired + met
    assert most_env_steps(config, task, recipe) == least_cap(config, recipe)


@pytest.mark.parametrize(
    ("samples", "train_seeds", "trainings"),
    # of four finalists two go on to a second round, and one is left: 4 x 2 + 2 x 2; of twelve, six
    # and three: 12 x 2 + 6 x 2 + 3 x 4; three seeds per candidate: 4 x 3 + 2 x 3
    [(10, 1, 12), (120, 1, 48), (10, 3, 18)],
)
def test_without_rungs_the_play_off_races_over_seeds(
    samples: int, train_seeds: int, trainings: int
) -> None:
    config = tiny_config(
        "cartpole/balance", samples=samples, rungs=1, iterations=1, train_seeds=train_seeds
    )
    task, recipe = load_task(config.task), Recipe()
    least = most_finalists(config) * (4 * max(2, train_seeds))
    trained = math.ceil(config.env_steps / recipe.samples) * recipe.samples
    member = trained + config.eval_episodes * task.episode_steps
    retired = most_env_steps(config, task, recipe) - plan_env_steps(config, task, recipe)
    assert retired == (least - trainings) * member


@pytest.mark.parametrize(
    ("samples", "iterations", "finalists"),
    [(1, 1, 0), (2, 1, 2), (16, 2, 4), (16, 5, 8), (10, 12, 12), (16, 40, 12)],
)
def test_of_many_candidates_one_in_ten_plays_off(
    samples: int, iterations: int, finalists: int
) -> None:
    config = tiny_config("cartpole/balance", samples=samples, iterations=iterations)
    assert most_finalists(config) == finalists


def test_a_cap_that_is_too_low_names_the_least_one() -> None:
    recipe = Recipe()
    least = least_cap(tiny_config("cartpole/balance"), recipe)
    task = load_task("cartpole/balance")
    enough = tiny_config("cartpole/balance", max_env_steps=least)
    assert most_env_steps(enough, task, recipe) == least
    with pytest.raises(UsageError, match=f"at least {least} "):
        plan_env_steps(tiny_config("cartpole/balance", max_env_steps=least - 1), task, recipe)


@pytest.mark.slow
def test_a_run_in_which_all_scores_tie_keeps_within_its_cap(tmp_path: Path) -> None:
    (tmp_path / "tied.py").write_text(TIED)
    name = f"{tmp_path / 'tied.py'}:Tied"
    config = tiny_config(name)
    recipe = load_recipe(configs_directory() / "recipes" / "cartpole.yaml")
    least = least_cap(config, recipe)
    flags = [f"--{key}={value}" for key, value in (SETTINGS | {"task": name}).items()]
    done = call(
        command(
            "run",
            *flags,
            "--no-render",
            "--name=tied",
            f"--runs-dir={tmp_path}",
            f"--max-env-steps={least}",
        )
    )
    assert done.returncode == 0, done.stderr
    state = read_run(tmp_path / "tied").state
    assert len(state.iterations) == 1
    assert all(c.state in ("evaluated", "confirmed", "rejected") for c in state.candidates.values())
    # the first iteration has no incumbent to evaluate
    incumbent = config.rungs * config.eval_episodes * load_task(name).episode_steps
    assert least - incumbent == state.env_steps


def test_a_population_that_does_not_fit_is_told_how_large_it_may_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    task, recipe = load_task("ant/run"), Recipe()
    config = RunConfig(task="ant/run", samples=200_000)
    free = memory_bytes(task, recipe, 1308, config)
    monkeypatch.setattr(budget, "available_bytes", lambda: free)
    with pytest.raises(UsageError, match=r"400,000 members .* about 1,308 members would fit"):
        check_memory(task, recipe, config)
    monkeypatch.setattr(budget, "available_bytes", lambda: free - 1)
    with pytest.raises(UsageError, match=r"about 1,307 members would fit"):
        check_memory(task, recipe, config)
    monkeypatch.setattr(budget, "available_bytes", lambda: None)
    check_memory(task, recipe, config)


def test_a_population_has_to_fit_the_fullest_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    task, recipe = load_task("ant/run"), Recipe()
    config = RunConfig(task="ant/run", samples=1000, device="cuda:0,cuda:1")
    free = {"cuda:0": 80 * 2**30, "cuda:1": 2**30}
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free[device], 80 * 2**30))
    with pytest.raises(UsageError, match=r"GPU memory besides its worlds, 2\.0 GiB are free"):
        check_memory(task, recipe, config)
    free["cuda:1"] = 80 * 2**30
    check_memory(task, recipe, config)
    check_memory(task, recipe, config.model_copy(update={"device": "cuda", "cluster": "auto"}))


def test_an_estimate_for_a_cluster_needs_the_engine_here() -> None:
    config = RunConfig(task="ant/run", device="cuda:77", cluster="auto")
    with pytest.raises(EngineError, match=r"cuda|mujoco-warp"):
        estimate(load_task("ant/run"), Recipe(), config)
