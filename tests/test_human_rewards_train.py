"""A policy trained on a task's human reward beats random actions, for every task."""

from __future__ import annotations

import pytest

from rewardgen.config import recipe_path
from rewardgen.rewards.inline import InlineReward
from rewardgen.tasks import beats
from rewardgen_envs.registry import load_task, task_names
from rewardgen_policies.evaluation import evaluate, evaluate_random
from rewardgen_policies.recipe import Recipe, load_recipe
from rewardgen_policies.train import Member, train

ENV_STEPS = 300_000  # what `rewardgen tasks check --train` takes
MORE_ENV_STEPS = {"ant/goal": 700_000}  # it must learn to walk before it can reach a goal
SEEDS = (7001, 7002)
EPISODES = range(7100, 7120)


@pytest.mark.slow
@pytest.mark.parametrize("name", task_names())
def test_human_reward_beats_random_actions(name: str) -> None:
    task = load_task(name)
    reward = InlineReward.from_file(task.human_reward, task.table)
    path = recipe_path(name, None)
    recipe = Recipe() if path is None else load_recipe(path)
    env_steps = MORE_ENV_STEPS.get(name, ENV_STEPS)
    states = train(task, [Member(reward, seed) for seed in SEEDS], recipe, env_steps).states
    trained = evaluate(task, states, EPISODES).fitness[task.metric.name].mean(1)
    chance = evaluate_random(task, EPISODES).fitness[task.metric.name][0]
    assert beats(trained.tolist(), chance.tolist(), task), (trained, chance)
