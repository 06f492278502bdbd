"""Plays scripted actions in any task and replays the episode, for tests."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from rewardgen_envs.engines.choice import CPU, EngineChoice
from rewardgen_envs.motion import Motion
from rewardgen_envs.replay import PhysicsState, physics_state, replay, states_of
from rewardgen_envs.simulation import Simulation
from rewardgen_envs.task import BoxAction, Task

Script = Callable[[float, int, int], float | np.ndarray]
"""Time in s, control step and number of actions → actions."""


def still(time_s: float, step: int, size: int) -> float:
    """Do nothing."""
    del time_s, step, size
    return 0.0


def motion_of(
    task: Task, script: Script = still, steps: int = 100, engine: EngineChoice = CPU
) -> Motion:
    """Replay the first episode of one world under scripted actions, or its first steps."""
    assert isinstance(task.action, BoxAction)
    size = task.action.size
    simulation = Simulation(task, [3], 1, threads=1, engine=engine)
    states: list[PhysicsState] = []
    features: list[Tensor] = []
    actions: list[Tensor] = []
    try:
        for step in range(min(steps, task.episode_steps)):
            states.append(physics_state(simulation.engine))
            features.append(simulation.state.cpu())
            given = np.broadcast_to(script(step * task.control_dt_s, step, size), (1, size))
            actions.append(torch.as_tensor(given.copy(), dtype=torch.float32))
            if bool(simulation.step(actions[-1].to(simulation.engine.device)).ended):
                break
    finally:
        simulation.close()
    return replay(task, states_of(states, 0), torch.cat(features), torch.cat(actions))
