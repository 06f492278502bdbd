"""Transitions made up from a feature table: what a probe feeds a reward before any simulation."""

from __future__ import annotations

import torch
from torch import Tensor

from rewardgen.rewards.transitions import Transitions
from rewardgen.rewards.vocabulary import unit
from rewardgen_envs.features import Feature, FeatureTable
from rewardgen_envs.task import BoxAction, DiscreteAction

# largest magnitude by unit: (usual, extreme); extremes are what a diverging robot reaches
_SPANS: dict[str, tuple[float, float]] = {
    "1": (1.0, 1.0),
    "m": (2.0, 50.0),
    "rad": (3.1, 50.0),
    "s": (10.0, 1000.0),
    "m/s": (5.0, 200.0),
    "rad/s": (15.0, 1000.0),
    "m/s²": (20.0, 1e4),
    "m/s^2": (20.0, 1e4),
    "N": (200.0, 1e5),
    "N·m": (50.0, 1e5),
}
_OTHER = (5.0, 1e3)


class Samples:
    """Draws transitions of a task's public features.

    Args:
        table: features; private ones are left out.
        action: the action space.
        seed: the same seed draws the same transitions.
    """

    def __init__(
        self, table: FeatureTable, action: BoxAction | DiscreteAction, seed: int = 0
    ) -> None:
        self._table = table.public()
        self._action = action
        self._generator = torch.Generator().manual_seed(seed)

    def zero(self, rows: int) -> Transitions:
        """Return the same state of rest in every row: zeros, and quaternions of no rotation."""
        state = torch.zeros(rows, self._table.width)
        for feature in self._table:
            if _is_quaternion(feature):
                state[:, self._table.columns(feature.name).start] = 1.0
        action = self._actions(rows)
        return Transitions(state, torch.zeros_like(action), state.clone())

    def usual(self, rows: int) -> Transitions:
        """Return independent states of usual magnitude."""
        return Transitions(self._states(rows, 0), self._actions(rows), self._states(rows, 0))

    def extreme(self, rows: int) -> Transitions:
        """Return states at the limits of what a simulation gives before it is reset."""
        return Transitions(self._states(rows, 1), self._actions(rows), self._states(rows, 1))

    def _states(self, rows: int, which: int) -> Tensor:
        parts = [self._values(rows, feature, which) for feature in self._table]
        return torch.cat(parts, dim=1) if parts else torch.zeros(rows, 0)

    def _values(self, rows: int, feature: Feature, which: int) -> Tensor:
        uniform = torch.rand(rows, feature.size, generator=self._generator) * 2.0 - 1.0
        if feature.unit == "bool":
            return (uniform > 0.0).float()
        if _is_quaternion(feature):
            return unit(torch.randn(rows, 4, generator=self._generator))
        span = _SPANS.get(feature.unit, _OTHER)[which]
        if feature.unit == "s":
            return uniform.abs() * span
        return (uniform if which == 0 else uniform.sign()) * span

    def _actions(self, rows: int) -> Tensor:
        if isinstance(self._action, DiscreteAction):
            return torch.randint(self._action.count, (rows,), generator=self._generator)
        return torch.rand(rows, self._action.size, generator=self._generator) * 2.0 - 1.0


def take(transitions: Transitions, rows: Tensor) -> Transitions:
    """Return some rows, in the order given."""
    return Transitions(
        transitions.state[rows], transitions.action[rows], transitions.next_state[rows]
    )


def _is_quaternion(feature: Feature) -> bool:
    text = f"{feature.name} {feature.description}".lower()
    return feature.shape == (4,) and ("quat" in text or "orientation" in text)
