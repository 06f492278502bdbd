"""Trackers: the only memory that a task may have between control steps.

A tracker turns a quantity of this step into a feature that depends on the steps before. The
simulation updates and resets them; a task only declares them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import torch
from jaxtyping import Int64
from torch import Tensor

from rewardgen_envs.features import Feature


class Rule(StrEnum):
    """How a tracker's value follows from its source x and its value before."""

    PREVIOUS = "previous"  # x one control step ago
    TIME_SINCE = "time_since"  # seconds since x was last > 0.5; counts from the reset
    ACCUMULATED = "accumulated"  # sum of x over the episode
    MAXIMUM = "maximum"  # largest x so far
    STREAK = "streak"  # control steps in a row with x > 0.5, this one included


@dataclass(frozen=True)
class Tracker:
    """A feature with a memory.

    Attributes:
        feature: the feature that holds the value.
        source: name of the tracked quantity, a key of what ``Task.measure`` returns.
        rule: the update rule. At a reset the value is x itself for PREVIOUS and MAXIMUM, else 0.
        restart: name of a quantity that, where > 0.5, restarts the tracker at this step, before
            the step's own x counts; None if only a reset does.
    """

    feature: Feature
    source: str
    rule: Rule
    restart: str | None = None


class TrackerState:
    """The values of a task's trackers for a batch of worlds."""

    def __init__(self, trackers: tuple[Tracker, ...], control_dt_s: float) -> None:
        self._trackers = trackers
        self._dt_s = control_dt_s
        self._value: dict[str, Tensor] = {}
        self._last: dict[str, Tensor] = {}

    def update(self, quantities: dict[str, Tensor]) -> dict[str, Tensor]:
        """Advance by one control step and return the values, (B, *shape) per tracker."""
        values: dict[str, Tensor] = {}
        for tracker in self._trackers:
            name, x = tracker.feature.name, quantities[tracker.source]
            old, last = self._value[name], self._last[name]
            if tracker.restart is not None:
                again = _expand(quantities[tracker.restart] > 0.5, x)
                old = torch.where(again, self._start(tracker, x), old)
                last = torch.where(again, x, last)
            values[name] = self._advance(tracker.rule, old, last, x)
            self._value[name], self._last[name] = values[name], x.clone()
        return values

    def reset(
        self, rows: Int64[Tensor, " R"], quantities: dict[str, Tensor], nworld: int
    ) -> dict[str, Tensor]:
        """Restart some worlds at the quantities (R, ...) of their reset state."""
        values: dict[str, Tensor] = {}
        for tracker in self._trackers:
            name, x = tracker.feature.name, quantities[tracker.source]
            start = self._start(tracker, x)
            if name not in self._value:
                self._value[name] = start.new_zeros(nworld, *start.shape[1:])
                self._last[name] = x.new_zeros(nworld, *x.shape[1:])
            # new tensors: values handed out by update() must not change afterwards
            self._value[name] = self._value[name].index_copy(0, rows, start)
            self._last[name] = self._last[name].index_copy(0, rows, x)
            values[name] = start
        return values

    def _advance(self, rule: Rule, old: Tensor, last: Tensor, x: Tensor) -> Tensor:
        match rule:
            case Rule.PREVIOUS:
                return last
            case Rule.TIME_SINCE:
                return torch.where(x > 0.5, torch.zeros_like(old), old + self._dt_s)
            case Rule.ACCUMULATED:
                return old + x
            case Rule.MAXIMUM:
                return torch.maximum(old, x)
            case Rule.STREAK:
                return (old + 1) * (x > 0.5)

    @staticmethod
    def _start(tracker: Tracker, x: Tensor) -> Tensor:
        if tracker.rule in (Rule.PREVIOUS, Rule.MAXIMUM):
            return x
        return torch.zeros_like(x)


def _expand(mask: Tensor, like: Tensor) -> Tensor:
    return mask.reshape(-1, *([1] * (like.dim() - 1)))
