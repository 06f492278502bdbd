"""The figures of a report, as SVG: colours that colour-blind readers can tell apart."""

from __future__ import annotations

import io
import math
from collections import Counter
from collections.abc import Callable, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from rewardgen.analysis.statistics import FEW
from rewardgen.report.curves import Band
from rewardgen.report.numbers import count, significant, unit
from rewardgen.store.records import ArmRecord, CandidateRecord, FitnessRecord, IterationRecord

# Okabe and Ito's palette
_WINNER, _HUMAN, _SPARSE = "#0072B2", "#D55E00", "#6b7280"
PALETTE = ("#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#444444")
_STATES = {
    "confirmed": "#0072B2",
    "evaluated": "#009E73",
    "retired": "#9ca3af",
    "accepted": "#9ca3af",
}
_BAND_FROM = 3
_PANELS_PER_ROW = 3
_LONG_TITLE = 28
_LONGEST_NAME = 24
# of an axis, as a share of its values
_LEAST_SPAN = 0.05
INK, _RULE = "#1f2937", "#e5e7eb"
_STYLE = {
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.edgecolor": "#9ca3af",
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": _RULE,
    "grid.linewidth": 0.8,
    "xtick.color": "#4b5563",
    "ytick.color": "#4b5563",
    "text.color": INK,
    "legend.frameon": False,
    # names in a run were written by others; a dollar in one is no formula
    "text.parse_math": False,
    # the same figure gives the same bytes
    "svg.hashsalt": "rewardgen",
}


def learning_curves(bands: Sequence[Band], metric: FitnessRecord) -> bytes:
    """Draw the mean of every reward's members along training with its 95 % band.

    Few members are drawn one by one too; below three the band would say nothing.
    """

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        for place, band in enumerate(bands):
            label = f"{short(band.label)} (n = {len(band.runs)})"
            _band(axes, band, _colour(band.label, place), label)
        _success(axes, metric)
        axes.set_xlabel("environment steps per policy")
        axes.set_ylabel(_label(metric))
        axes.xaxis.set_major_formatter(FuncFormatter(steps_label))
        figure.legend(loc="outside upper left", ncols=4)

    return svg((8.0, 3.9), draw)


def arms(records: Sequence[ArmRecord], metric: FitnessRecord) -> bytes:
    """Draw every run of every arm as a point, with interquartile mean and interval."""

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        for place, record in enumerate(records):
            row = len(records) - 1 - place
            colour = _colour(record.arm, place)
            points = run_means(record)
            # a fixed spread, so that equal points stay visible and the figure repeats
            heights = row + 0.22 + 0.05 * (np.arange(len(points)) % 3 - 1)
            axes.scatter(points, heights, s=26, color=colour, alpha=0.45, linewidths=0)
            if record.interval is not None:
                axes.plot(record.interval, (row, row), color=colour, linewidth=3)
            if record.iqm is not None:
                axes.scatter([record.iqm], [row], s=64, color=colour, zorder=3)
        axes.set_yticks(range(len(records)), [short(record.arm) for record in reversed(records)])
        axes.set_ylim(-0.5, len(records) - 0.3)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel(_label(metric))
        if metric.success is not None:
            axes.axvline(metric.success, color="#9ca3af", linestyle=":", linewidth=1.2)

    return svg((8.0, 1.1 + 0.62 * len(records)), draw)


def search(
    iterations: Sequence[IterationRecord],
    candidates: Sequence[CandidateRecord],
    metric: FitnessRecord,
    human: float | None,
) -> bytes:
    """Draw the fitness of every candidate by iteration, and the best so far."""

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        groups = Counter(c.iteration for c in candidates)
        # one artist per state: one per candidate takes a large run minutes
        points: dict[str, list[tuple[float, float]]] = {}
        for record in candidates:
            if record.fitness is None:
                continue
            state = record.state if record.state in _STATES else "retired"
            group = groups[record.iteration]
            shift = (record.slot - (group - 1) / 2) * 0.5 / max(group, 1)
            points.setdefault(state, []).append((record.iteration + 1 + shift, record.fitness))
        for state, places in points.items():
            across, up = zip(*places, strict=True)
            axes.scatter(across, up, s=44, color=_STATES[state], linewidths=0, label=state)
        best = [(i.iteration + 1, i.fitness) for i in iterations if i.fitness is not None]
        for place, value in best:
            axes.plot(
                (place - 0.45, place + 0.45),
                (value, value),
                color=INK,
                linewidth=1.6,
                label="best so far" if place == best[0][0] else None,
                zorder=0,
            )
        if human is not None:
            axes.axhline(
                human, color=_HUMAN, linestyle="--", linewidth=1.4, label="human (confirmed)"
            )
        axes.set_xlabel("iteration")
        axes.set_ylabel(f"{_label(metric)}, search")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.set_xlim(0.4, max(c.iteration for c in candidates) + 1.6)
        figure.legend(loc="outside upper left", ncols=6)

    return svg((8.0, 3.6), draw)


def terms(bands: Sequence[Band], fitness: Band | None, metric: FitnessRecord, who: str) -> bytes:
    """Draw every term of a reward along training, beside the fitness.

    Terms differ in scale by orders of magnitude, so each has a panel and an axis of its own.

    Args:
        bands: one per term.
        fitness: of the training episodes, None if none ended.
        metric: the fitness.
        who: whose reward it is; chooses the colour.
    """
    panels = [(f"fitness: {_label(metric)}", INK, fitness)] if fitness is not None else []
    panels += [(band.label, _colour(who, 0), band) for band in bands]
    last = max(float(band.env_steps[-1]) for _, _, band in panels)
    columns = min(_PANELS_PER_ROW, len(panels))
    rows = math.ceil(len(panels) / columns)

    def draw(figure: Figure) -> None:
        for place, (title, colour, band) in enumerate(panels):
            axes = figure.add_subplot(rows, columns, place + 1)
            axes.set_title(title, loc="left", fontsize=9 if len(title) < _LONG_TITLE else 7)
            _band(axes, band, colour)
            _widen(axes)
            axes.set_xlim(0.0, last * 1.02)
            axes.xaxis.set_major_formatter(FuncFormatter(steps_label))
            axes.yaxis.set_major_formatter(FuncFormatter(_number))
            for axis in (axes.xaxis, axes.yaxis):
                axis.set_major_locator(MaxNLocator(4))
        figure.supxlabel("environment steps per policy", fontsize=10)

    return svg((8.0, 0.4 + 1.75 * rows), draw)


def run_means(record: ArmRecord) -> list[float]:
    """Return one point per run of an arm: the mean over its evaluation episodes."""
    return [sum(m.fitness) / len(m.fitness) for m in record.members if m.fitness]


def _band(axes: Axes, band: Band, colour: str, label: str | None = None) -> None:
    """Draw a mean with its band; few runs are drawn one by one too, and two have no band."""
    if len(band.runs) >= _BAND_FROM:
        axes.fill_between(
            band.env_steps, band.low, band.high, color=colour, alpha=0.16, linewidth=0
        )
    for run in band.runs if len(band.runs) < FEW else ():
        axes.plot(band.env_steps, run, color=colour, linewidth=0.6, alpha=0.5)
    axes.plot(band.env_steps, band.mean, color=colour, linewidth=2, label=label)


def _widen(axes: Axes) -> None:
    """Give what hardly changes an axis on which that shows, and whose ticks differ."""
    low, high = axes.get_ylim()
    least = _LEAST_SPAN * max(abs(low), abs(high))
    if high - low < least:
        axes.set_ylim((low + high - least) / 2, (low + high + least) / 2)


def svg(size_in: tuple[float, float], draw: Callable[[Figure], None]) -> bytes:
    """Return what is drawn in the style of the report; the same gives the same bytes."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=size_in, layout="constrained")
        draw(figure)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
    return buffer.getvalue()


def _colour(label: str, place: int) -> str:
    named = {"winner": _WINNER, "human": _HUMAN, "sparse": _SPARSE}
    return named.get(label, PALETTE[place % len(PALETTE)])


def _label(metric: FitnessRecord) -> str:
    return f"{metric.name.replace('_', ' ')}{unit(metric.unit)}"


def _success(axes: Axes, metric: FitnessRecord) -> None:
    if metric.success is not None:
        axes.axhline(metric.success, color="#9ca3af", linestyle=":", linewidth=1.2, label="success")


def short(name: str) -> str:
    """Return a name that leaves room for the figure: of a reward file, the end of its path."""
    return name if len(name) <= _LONGEST_NAME else f"…{name[1 - _LONGEST_NAME :]}"


def _number(value: float, position: float | None) -> str:
    del position
    return significant(value)


def steps_label(value: float, position: float | None) -> str:
    """Return environment steps as a tick's label."""
    del position
    return f"{value / 1e3:g} k" if 0.0 < abs(value) < 1e6 else count(value)
