"""Scoring once per rollout gives what scoring at every step gives."""

from __future__ import annotations

import torch

from rewardgen_envs.simulation import Simulation
from rewardgen_envs.task import Task
from rewardgen_policies.checkpoint import Origin
from rewardgen_policies.collector import Collector
from rewardgen_policies.networks import NetworkSpec
from rewardgen_policies.population import Population, initial_state
from rewardgen_policies.recipe import Recipe
from rewardgen_policies.scoring import Scorer
from rewardgen_policies.streams import generators
from tests.policies.reward_sources import FunctionSource, upright


def test_deferred_rewards_equal_per_step_rewards_bit_for_bit(balance: Task) -> None:
    recipe = Recipe(worlds=8, steps=60, hidden=(8,))
    members, seeds = 3, [5, 6, 7]
    spec = NetworkSpec.of(balance, recipe.hidden)
    states = [initial_state(spec, Origin(balance.name, 1, seed, "", ""), recipe) for seed in seeds]
    population = Population.of(states)
    simulation = Simulation(balance, seeds, recipe.worlds, threads=1)
    with torch.no_grad():
        collector = Collector(simulation, population, recipe, generators("action noise", seeds, 0))
        start = simulation.t.clone()
        rollout = collector.collect().rollout
    scored = Scorer([FunctionSource(upright) for _ in seeds]).score(rollout)
    assert bool(rollout.terminated.any())
    assert bool((rollout.episode > 0).any())

    again = Simulation(balance, seeds, recipe.worlds, threads=1)
    again.t.copy_(start)
    view = balance.table.view
    for t in range(recipe.steps):
        before, action = again.state, rollout.action[:, t].flatten(0, 1)
        step = again.step(action)
        reward = upright(view(before), action, view(step.next_state))
        assert torch.equal(reward.view(members, recipe.worlds), scored.reward[:, t])
        assert torch.equal(before, rollout.state[:, t].flatten(0, 1))
        assert torch.equal(step.next_state, rollout.next_state[:, t].flatten(0, 1))
    simulation.close()
    again.close()


def test_rollout_goes_on_where_the_last_one_stopped(balance: Task) -> None:
    recipe = Recipe(worlds=4, steps=30, hidden=(8,))
    spec = NetworkSpec.of(balance, recipe.hidden)
    population = Population.of([initial_state(spec, Origin(balance.name, 1, 0, "", ""), recipe)])
    simulation = Simulation(balance, [0], recipe.worlds, threads=1)
    with torch.no_grad():
        collector = Collector(simulation, population, recipe, generators("action noise", [0], 0))
        first = collector.collect()
        last_observation = first.observation[:, -1].clone()
        last = {name: getattr(first.rollout, name)[:, -1].clone() for name in ("t", "episode")}
        ended = first.ended[:, -1].clone()
        second = collector.collect()
    assert torch.equal(second.observation[:, 0], last_observation)
    assert torch.equal(second.rollout.t[:, 0], torch.where(ended, 0, last["t"] + 1))
    assert torch.equal(second.rollout.episode[:, 0], last["episode"] + ended)
    # the first, shortened episodes of a world are not counted as episodes
    assert not bool((first.counted & (first.rollout.episode == 0))[..., 1:].any())
    simulation.close()
