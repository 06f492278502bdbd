"""Playing a task with a controller written for it, to show that it can be solved."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from rewardgen_envs.features import FeatureView
from rewardgen_envs.simulation import Simulation
from rewardgen_envs.task import BoxAction, Task

WORLDS = 24
Controller = Callable[[FeatureView], Tensor]


def success_rate(task: Task, controller: Controller, worlds: int = WORLDS) -> float:
    """Return the share of first episodes that reach the ranking metric's threshold."""
    metric = task.metric
    assert metric.success is not None
    good = metric.sign * first_fitness(task, controller, worlds) >= metric.sign * metric.success
    return float(good.double().mean())


def first_fitness(task: Task, controller: Controller, worlds: int = WORLDS) -> Tensor:
    """Return the ranking metric of the first episode of each world, (B,)."""
    simulation = Simulation(task, [5], worlds, threads=1)
    fitness = torch.full((worlds,), torch.nan)
    while bool(fitness.isnan().any()):
        step = simulation.step(controller(task.table.view(simulation.state)).clamp(-1.0, 1.0))
        assert bool(step.valid.all())
        first = step.ended & fitness.isnan()
        if bool(first.any()):
            fitness = torch.where(first, step.fitness[task.metric.name], fitness)
    simulation.close()
    return fitness


def at_random(task: Task) -> Controller:
    """Return a controller that draws uniform actions."""
    action = task.action
    assert isinstance(action, BoxAction)
    generator = torch.Generator().manual_seed(0)

    def act(features: FeatureView) -> Tensor:
        rows = len(features.terminated)
        return 2.0 * torch.rand(rows, action.size, generator=generator) - 1.0

    return act


def idle(task: Task) -> Controller:
    """Return a controller that does nothing."""
    action = task.action
    assert isinstance(action, BoxAction)
    return lambda features: torch.zeros(len(features.terminated), action.size)
