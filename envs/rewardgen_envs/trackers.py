"""Trackers: the only memory that a task may have between control steps.

A tracker turns a quantity of this step into a feature that depends on the steps before. The
simulation updates and resets them; a task only declares them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import torch
from jaxtyping import Int64
from torch import Tensor

from rewardgen_envs.features import Feature
from rewardgen_envs.quantities import Quantities


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
        source: what is tracked: the name of a quantity that ``Task.measure`` returns, of a
            variable or of an earlier tracker; or a function of all of these, row by row.
        rule: the update rule. At a reset the value is x itself for PREVIOUS and MAXIMUM, else 0.
        restart: name of a quantity that, where > 0.5, restarts the tracker at this step, before
            the step's own x counts; None if only a reset does.
    """

    feature: Feature
    source: str | Callable[[Quantities], Tensor]
    rule: Rule
    restart: str | None = None

    def read(self, quantities: dict[str, Tensor]) -> Tensor:
        """Return the source's value at this step, (R, *shape), as a floating-point tensor."""
        view = Quantities(quantities)
        x = getattr(view, self.source) if isinstance(self.source, str) else self.source(view)
        return x if x.is_floating_point() else x.to(torch.float64)


class TrackerState:
    """The values of a task's trackers for a batch of worlds."""

    def __init__(self, trackers: tuple[Tracker, ...], control_dt_s: float) -> None:
        self._trackers = trackers
        self._dt_s = control_dt_s
        # the tracker's value after the last step; for PREVIOUS: the x that it will show next
        self._memory: dict[str, Tensor] = {}

    def update(self, quantities: dict[str, Tensor]) -> dict[str, Tensor]:
        """Advance by one control step and return the values, (B, *shape) per tracker."""
        known = dict(quantities)
        for tracker in self._trackers:
            name, x = tracker.feature.name, tracker.read(known)
            old = self._memory[name]
            if tracker.restart is not None:
                again = _expand(known[tracker.restart] > 0.5, x)
                old = torch.where(again, _start(tracker.rule, x), old)
            known[name] = self._advance(tracker.rule, old, x)
            # x may be a view of the engine's live array
            self._memory[name] = x.clone() if tracker.rule is Rule.PREVIOUS else known[name]
        return {t.feature.name: known[t.feature.name] for t in self._trackers}

    def reset(
        self, rows: Int64[Tensor, " R"], quantities: dict[str, Tensor], nworld: int
    ) -> dict[str, Tensor]:
        """Restart some worlds at the quantities (R, ...) of their reset state."""
        known = dict(quantities)
        for tracker in self._trackers:
            name, start = tracker.feature.name, _start(tracker.rule, tracker.read(known))
            if name not in self._memory:
                self._memory[name] = start.new_zeros(nworld, *start.shape[1:])
            # a new tensor: values handed out by update() must not change afterwards
            self._memory[name] = self._memory[name].index_copy(0, rows, start)
            known[name] = start
        return {t.feature.name: known[t.feature.name] for t in self._trackers}

    def _advance(self, rule: Rule, old: Tensor, x: Tensor) -> Tensor:
        match rule:
            case Rule.PREVIOUS:
                return old
            case Rule.TIME_SINCE:
                return torch.where(x > 0.5, 0.0, old + self._dt_s)
            case Rule.ACCUMULATED:
                return old + x
            case Rule.MAXIMUM:
                return torch.maximum(old, x)
            case Rule.STREAK:
                return (old + 1) * (x > 0.5)


def _start(rule: Rule, x: Tensor) -> Tensor:
    return x if rule in (Rule.PREVIOUS, Rule.MAXIMUM) else torch.zeros_like(x)


def _expand(mask: Tensor, like: Tensor) -> Tensor:
    return mask.reshape(-1, *([1] * (like.dim() - 1)))
