"""Fitness metrics: how per-step values of an episode become one number.

Every metric is over the *nominal* episode length, so that falling early never pays: the steps
after a termination count with the metric's ``after_termination`` value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import torch
from jaxtyping import Bool, Int64
from torch import Tensor


class Accumulation(StrEnum):
    """How the values of the steps of an episode are combined."""

    TIME_AVERAGE = "time_average"
    TOTAL = "total"
    FINAL = "final"
    BEST = "best"
    LONGEST_STREAK = "longest_streak"


@dataclass(frozen=True)
class Metric:
    """One named fitness metric of a task; the first of a task ranks.

    Attributes:
        name: identifier.
        unit: unit of the accumulated number.
        description: one sentence for people.
        accumulation: ``TIME_AVERAGE`` or ``TOTAL`` of the values; the ``FINAL`` or ``BEST``
            one; or the ``LONGEST_STREAK`` of values > 0.5, as a share of the nominal length.
        higher_is_better: direction.
        success: threshold from which an episode counts as a success, or None.
        after_termination: the value at which the steps after a termination count.
    """

    name: str
    unit: str
    description: str
    accumulation: Accumulation = Accumulation.TIME_AVERAGE
    higher_is_better: bool = True
    success: float | None = None
    after_termination: float = 0.0

    @property
    def sign(self) -> float:
        """+1 if higher is better, else -1."""
        return 1.0 if self.higher_is_better else -1.0


class FitnessTracker:
    """Accumulates the metrics of the running episode of every world.

    Args:
        metrics: the task's metrics.
        nworld: number of worlds B.
        nominal_steps: nominal episode length in control steps.
        device: where the values live.
    """

    def __init__(
        self,
        metrics: tuple[Metric, ...],
        nworld: int,
        nominal_steps: int,
        device: torch.device | None = None,
    ) -> None:
        self._metrics = metrics
        self._nominal = nominal_steps
        # total: running sum, last, best or longest streak; streak: length of the running one
        self._total = torch.zeros(len(metrics), nworld, device=device)
        self._streak = torch.zeros(len(metrics), nworld, device=device)
        self.reset(torch.arange(nworld, device=device))

    def reset(self, rows: Int64[Tensor, " R"]) -> None:
        """Forget the episodes of some worlds."""
        for row, metric in enumerate(self._metrics):
            best = metric.accumulation is Accumulation.BEST
            self._total[row, rows] = -metric.sign * torch.inf if best else 0.0
        self._streak[:, rows] = 0.0

    def update(self, values: Mapping[str, Tensor]) -> None:
        """Add one control step; ``values`` maps each metric's name to (B,)."""
        for row, metric in enumerate(self._metrics):
            value = values[metric.name].to(torch.float32)
            total = self._total[row]
            match metric.accumulation:
                case Accumulation.TIME_AVERAGE | Accumulation.TOTAL:
                    total += value
                case Accumulation.FINAL:
                    total.copy_(value)
                case Accumulation.BEST:
                    total.copy_(self._better(metric, total, value))
                case Accumulation.LONGEST_STREAK:
                    streak = self._streak[row]
                    streak.add_(1.0).mul_(value > 0.5)
                    torch.maximum(total, streak, out=total)

    def result(
        self, length: Int64[Tensor, " B"], terminated: Bool[Tensor, " B"]
    ) -> dict[str, Tensor]:
        """Return the fitness of the episodes, (B,) per metric, as if each ended now.

        Args:
            length: control steps so far.
            terminated: whether the episode ended by a termination now.
        """
        missing = (self._nominal - length).clamp(min=0) * terminated
        results: dict[str, Tensor] = {}
        for row, metric in enumerate(self._metrics):
            total, after = self._total[row], metric.after_termination
            counted = torch.full_like(total, after)
            match metric.accumulation:
                case Accumulation.TIME_AVERAGE:
                    value = (total + missing * after) / self._nominal
                case Accumulation.TOTAL:
                    value = total + missing * after
                case Accumulation.FINAL:
                    value = torch.where(missing > 0, counted, total)
                case Accumulation.BEST:
                    value = torch.where(missing > 0, self._better(metric, total, counted), total)
                case Accumulation.LONGEST_STREAK:
                    value = total / self._nominal
            results[metric.name] = value
        return results

    @staticmethod
    def _better(metric: Metric, left: Tensor, right: Tensor) -> Tensor:
        return torch.maximum(left, right) if metric.higher_is_better else torch.minimum(left, right)
