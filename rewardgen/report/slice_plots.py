"""The figures of a reward's slices, each with its table."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.figure import Figure

from rewardgen.analysis.trajectories.slices import Plane, Slice, Slices
from rewardgen.report.drawn import Drawn, csv_text
from rewardgen.report.plots import PALETTE, short, svg

_PER_ROW = 3


def slice_drawings(found: Slices) -> dict[str, Drawn]:
    """Return the figures by name; none of a reward that hears of nothing that varied."""
    drawn: dict[str, Drawn] = {}
    if found.lines:
        drawn["reward-slices"] = reward_slices(found.lines)
    if found.plane is not None:
        drawn["reward-plane"] = reward_plane(found.plane)
    return drawn


def reward_slices(lines: tuple[Slice, ...]) -> Drawn:
    """Draw the reward along each quantity, all on one scale."""
    rows = math.ceil(len(lines) / _PER_ROW)
    low = min(float(line.reward.min()) for line in lines)
    high = max(float(line.reward.max()) for line in lines)
    margin = 0.05 * (high - low)

    def draw(figure: Figure) -> None:
        for place, line in enumerate(lines, 1):
            axes = figure.add_subplot(rows, min(_PER_ROW, len(lines)), place)
            axes.plot(line.values, line.reward, color=PALETTE[0], linewidth=1.8)
            axes.set_ylim(low - margin, high + margin)
            axes.set_xlabel(short(line.name))
        figure.supylabel("reward", fontsize=10)

    table = [("quantity", "value", "reward")]
    table += [
        (line.name, str(value), str(reward))
        for line in lines
        for value, reward in zip(line.values, line.reward, strict=True)
    ]
    return Drawn(svg((8.0, 0.3 + 2.0 * rows), draw), csv_text(table))


def reward_plane(plane: Plane) -> Drawn:
    """Draw the reward over the two quantities that matter most."""
    x, y = plane.x, plane.y

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        image = axes.imshow(
            plane.reward,
            cmap="viridis",
            origin="lower",
            aspect="auto",
            extent=(*_ends(x), *_ends(y)),
        )
        axes.grid(visible=False, axis="both")
        axes.set_xlabel(short(x.name))
        axes.set_ylabel(short(y.name))
        figure.colorbar(image, ax=axes, label="reward")

    xs, ys = np.meshgrid(x.values, y.values)
    table = [(x.name, y.name, "reward")]
    table += [
        (str(a), str(b), str(reward))
        for a, b, reward in zip(xs.ravel(), ys.ravel(), plane.reward.ravel(), strict=True)
    ]
    return Drawn(svg((6.0, 3.9), draw), csv_text(table))


def _ends(line: Slice) -> tuple[float, float]:
    """Return where the cells of a line begin and end: values are their middles."""
    half = float(line.values[1] - line.values[0]) / 2.0
    return float(line.values[0]) - half, float(line.values[-1]) + half
