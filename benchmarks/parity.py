"""One control step of two engines from the same state: how far apart their features are."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from rewardgen_envs.simulation import Simulation


def align(reference: Simulation, other: Simulation) -> None:
    """Begin the next step of another simulation where the reference is, without a warm start."""
    device = other.engine.device
    placed = ("mocap_pos",) if reference.engine.model.nmocap else ()
    for name in ("qpos", "qvel", *placed):
        other.engine.write(name, reference.engine.field(name).to(device), None)
    for simulation in (reference, other):
        rest = torch.zeros_like(simulation.engine.field("qacc_warmstart"))
        simulation.engine.write("qacc_warmstart", rest, None)
        simulation.engine.forward(None)
    other.t.copy_(reference.t)
    other.state = reference.state.to(device, copy=True)
    # the memory of a task is no part of the physics that is compared
    mine, theirs = other._measurement, reference._measurement
    _adopt(mine._variables, theirs._variables)
    _adopt(mine._trackers._memory, theirs._trackers._memory)


def step_errors(reference: Simulation, other: Simulation, actions: Sequence[Tensor]) -> Tensor:
    """Return the errors of all features, relative where they are above 1, (T, B, F).

    Each step begins where the reference is.
    """
    errors: list[Tensor] = []
    for action in actions:
        align(reference, other)
        expected = reference.step(action).next_state
        given = other.step(action.to(other.engine.device)).next_state.cpu()
        errors.append((given - expected).abs() / expected.abs().clamp(min=1.0))
    return torch.stack(errors)


def _adopt(own: dict[str, Tensor], values: dict[str, Tensor]) -> None:
    """Copy values into the other engine's device and precision."""
    own |= {name: value.to(own[name], copy=True) for name, value in values.items()}
