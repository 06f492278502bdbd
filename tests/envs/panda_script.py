"""A robot arm that is led by hand: what the tests of its tasks share."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from rewardgen_envs.features import FeatureView
from rewardgen_envs.simulation import Simulation, Step

OPEN, CLOSED = 1.0, -1.0
GAIN_PER_M = 20.0  # the hand is sent to the target itself from 5 cm on


def view(simulation: Simulation, step: Step | None = None) -> FeatureView:
    return simulation.task.table.view(simulation.state if step is None else step.next_state)


def idle(simulation: Simulation) -> Step:
    return simulation.step(torch.zeros(simulation.nworld, 4))


def lead(
    simulation: Simulation, target: Callable[[FeatureView], Tensor], fingers: float, steps: int
) -> Step:
    """Send the hands to a place that may move, with the fingers open or closed."""
    assert steps > 0
    for _ in range(steps):
        seen = view(simulation)
        away = (GAIN_PER_M * (target(seen) - seen.hand_position)).clamp(-1.0, 1.0)
        step = simulation.step(torch.cat([away, torch.full_like(away[:, :1], fingers)], dim=1))
    return step


def put(simulation: Simulation, name: str, values: list[float]) -> None:
    """Put a joint of all worlds somewhere, at rest."""
    model, width = simulation.task.model, len(values)
    position, velocity = int(model.joint(name).qposadr[0]), int(model.joint(name).dofadr[0])
    qpos = simulation.engine.field("qpos").clone()
    qvel = simulation.engine.field("qvel").clone()
    qpos[:, position : position + width] = torch.tensor(values, dtype=torch.float64)
    qvel[:, velocity : velocity + (6 if width == 7 else 1)] = 0.0
    simulation.engine.write("qpos", qpos, None)
    simulation.engine.write("qvel", qvel, None)
