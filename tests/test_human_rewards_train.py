"""A policy trained on a task's human reward beats random actions, for every task."""

from __future__ import annotations

import pytest
import torch

from rewardgen.config import recipe_path
from rewardgen.rewards.inline import InlineReward
from rewardgen_envs.registry import load_task, task_names
from rewardgen_policies.evaluation import evaluate, evaluate_random
from rewardgen_policies.recipe import Recipe, load_recipe
from rewardgen_policies.train import Member, train

ENV_STEPS = {
    "ant/goal": 500_000,
    "ant/run": 300_000,
    "cartpole/balance": 50_000,
    "cartpole/swing-up": 150_000,
    "half-cheetah/run": 150_000,
    "hopper/back-flip": 500_000,
    "hopper/run": 150_000,
}
EPISODES = range(7000, 7020)


@pytest.mark.slow
@pytest.mark.parametrize("name", task_names())
def test_human_reward_beats_random_actions(name: str) -> None:
    task = load_task(name)
    reward = InlineReward.from_file(task.human_reward, task.table)
    members = [Member(reward, seed) for seed in (7001, 7002)]
    path = recipe_path(name, None)
    recipe = Recipe() if path is None else load_recipe(path)
    states = train(task, members, recipe, ENV_STEPS[name]).states
    metric = task.metric
    trained = metric.sign * evaluate(task, states, EPISODES).fitness[metric.name].flatten()
    chance = metric.sign * evaluate_random(task, EPISODES).fitness[metric.name].flatten()
    error = (trained.var() / len(trained) + chance.var() / len(chance)).sqrt()
    difference = trained.mean() - chance.mean()
    assert bool(difference > torch.clamp(4.0 * error, min=1e-3)), (trained, chance)
