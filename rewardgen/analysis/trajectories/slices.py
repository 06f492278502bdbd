"""Slices of a reward: what it would pay if one number of where a step led were another.

Everything else stays as it was in steps that were played, and the reward is averaged over these.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from rewardgen.analysis.trajectories.episodes import Floats

POINTS = 21
SHOWN = 6
QUANTILES = (0.02, 0.98)
"""Of what a number was in the episodes: a slice goes from one to the other."""

Pay = Callable[[Floats], Floats]
"""Quantities after a step, (N, F) → what the reward pays, (N,)."""


@dataclass(frozen=True)
class Slice:
    """The reward along one quantity.

    Attributes:
        name: of the quantity.
        values: of the quantity, (G,).
        reward: mean over the steps, (G,).
    """

    name: str
    values: Float[np.ndarray, " G"]
    reward: Float[np.ndarray, " G"]

    @property
    def reach(self) -> float:
        """How much the reward differs along it."""
        return float(self.reward.max() - self.reward.min())


@dataclass(frozen=True)
class Plane:
    """The reward over two quantities; the reward's rows go along the second."""

    x: Slice
    y: Slice
    reward: Float[np.ndarray, "G G"]


@dataclass(frozen=True)
class Slices:
    """Slices along the quantities that matter most, the first one first; and over the first two.

    Attributes:
        lines: none if the reward hears of nothing that varied.
        plane: None unless there are two lines.
    """

    lines: tuple[Slice, ...]
    plane: Plane | None


def slices(
    led_to: Float[np.ndarray, "K F"],
    low: Float[np.ndarray, " F"],
    high: Float[np.ndarray, " F"],
    names: Sequence[str],
    pay: Pay,
) -> Slices:
    """Cut a reward along every quantity and keep the telling slices.

    Args:
        led_to: the quantities after each of K steps.
        low: where a slice along each begins.
        high: where it ends; one that never varied is left out.
        names: of the quantities; one without a name is left out.
        pay: the reward; N is a multiple of K, the steps in turn.
    """
    ends = [(float(a), float(b)) for a, b in zip(low, high, strict=True)]
    columns = [i for i, name in enumerate(names) if name and ends[i][1] > ends[i][0]]
    if not columns:
        return Slices((), None)
    grids = {i: np.linspace(*ends[i], POINTS) for i in columns}
    asked = np.concatenate([_moved(led_to, {i: grids[i]}) for i in columns])
    paid = _means(pay(asked), len(led_to)).reshape(len(columns), POINTS)
    found = [(Slice(names[i], grids[i], row), i) for i, row in zip(columns, paid, strict=True)]
    telling = sorted((f for f in found if f[0].reach > 0.0), key=lambda f: -f[0].reach)[:SHOWN]
    lines = tuple(line for line, _ in telling)
    if len(telling) < 2:
        return Slices(lines, None)
    (x, across), (y, along) = telling[0], telling[1]
    xs, ys = np.meshgrid(x.values, y.values)
    both = _moved(led_to, {across: xs.ravel(), along: ys.ravel()})
    reward = _means(pay(both), len(led_to)).reshape(POINTS, POINTS)
    return Slices(lines, Plane(x, y, reward))


def _moved(led_to: Floats, moved: dict[int, Floats]) -> Floats:
    """Repeat the steps for every value, with it in place of theirs: (G · K, F)."""
    count = len(next(iter(moved.values())))
    rows = np.tile(led_to, (count, 1))
    for column, values in moved.items():
        rows[:, column] = np.repeat(values, len(led_to))
    return rows


def _means(paid: Floats, steps: int) -> Floats:
    return paid.reshape(-1, steps).mean(axis=1)
