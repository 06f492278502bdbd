"""How much room for contacts a task needs: a GPU has to be told before it simulates."""

from __future__ import annotations

from dataclasses import replace

import torch

from rewardgen_envs.engines.choice import Budget, EngineChoice
from rewardgen_envs.simulation import Simulation
from rewardgen_envs.task import BoxAction, Task

_WORLDS = 32
_STEPS = 300
_MARGIN = 2  # over what random actions meet: policies push harder
_LEAST = 8
_SEED = 0


def with_room(task: Task, choice: EngineChoice) -> EngineChoice:
    """Return an engine with the room for contacts that a task needs, if it has to be told."""
    if choice.name == "mujoco" or choice.budget is not None:
        return choice
    return replace(choice, budget=probed_budget(task))


@torch.inference_mode()
def probed_budget(task: Task) -> Budget:
    """Return twice the most contacts and constraints that random actions meet, on the CPU."""
    simulation = Simulation(task, [_SEED], _WORLDS)
    try:
        generator = torch.Generator().manual_seed(_SEED)
        most = {"ncon": 0, "nefc": 0}
        for _ in range(min(_STEPS, task.episode_steps)):
            simulation.step(_random_action(task, generator))
            for name in most:
                most[name] = max(most[name], int(simulation.engine.field(name).max()))
    finally:
        simulation.close()
    contacts, rows = (max(_LEAST, _MARGIN * count) for count in most.values())
    return Budget(contacts=contacts, rows=rows)


def _random_action(task: Task, generator: torch.Generator) -> torch.Tensor:
    action = task.action
    if isinstance(action, BoxAction):
        return 2.0 * torch.rand(_WORLDS, action.size, generator=generator) - 1.0
    return torch.randint(action.count, (_WORLDS,), generator=generator)
