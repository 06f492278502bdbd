from __future__ import annotations

import pytest
import torch

from rewardgen_envs.task import Task
from rewardgen_policies.evaluation import evaluate, evaluate_random, record
from rewardgen_policies.recipe import Recipe
from rewardgen_policies.train import Member, train
from tests.policies.reward_sources import FunctionSource, Reward, upright


def test_choices_learn_a_bandit(discrete_swing_up: Task) -> None:
    def best(choice: int) -> Reward:
        return lambda state, action, next_state: action == choice

    recipe = Recipe(worlds=8, steps=32, hidden=(16,), gamma=0.5, gae_lambda=0.8)
    members = [Member(FunctionSource(best(choice)), 1) for choice in range(3)]
    result = train(discrete_swing_up, members, recipe, 60 * recipe.samples, threads=1)
    episodes = record(discrete_swing_up, result.states, [1], threads=1)
    for choice in range(3):
        assert result.curves[choice].values["reward"][-1] > 0.9
        chosen = episodes[choice][0].action == choice
        assert float(chosen.to(torch.float32).mean()) > 0.95


def test_continuous_actions_learn_a_target(swing_up: Task) -> None:
    def near(target: float) -> Reward:
        return lambda state, action, next_state: -((action[..., 0] - target) ** 2)

    recipe = Recipe(worlds=8, steps=32, hidden=(16,), gamma=0.5, gae_lambda=0.8)
    members = [Member(FunctionSource(near(target)), 1) for target in (-0.5, 0.5)]
    result = train(swing_up, members, recipe, 60 * recipe.samples, threads=1)
    episodes = record(swing_up, result.states, [1], threads=1)
    for member, target in enumerate((-0.5, 0.5)):
        error = (episodes[member][0].action - target).abs().mean()
        assert float(error) < 0.15


def test_balancing_is_learned_in_seconds(balance: Task) -> None:
    recipe = Recipe(worlds=16, steps=32)
    source = FunctionSource(upright)
    result = train(balance, [Member(source, s) for s in (1, 2)], recipe, 50_000, threads=1)
    seeds = range(500, 510)
    learned = evaluate(balance, result.states, seeds, threads=1).length
    chance = evaluate_random(balance, seeds, threads=1).length
    assert float(learned.double().mean()) > 0.9 * balance.episode_steps
    assert float(chance.double().mean()) < 0.5 * balance.episode_steps


@pytest.mark.slow
def test_swinging_up_is_learned(swing_up: Task) -> None:
    source = FunctionSource(upright)
    result = train(swing_up, [Member(source, s) for s in (1, 2)], Recipe(), 150_000, threads=1)
    fitness = evaluate(swing_up, result.states, range(500, 510), threads=1).fitness
    assert float(fitness["upright_share"].mean()) > 0.6
