"""The figures of a comparison, each with the table that it is drawn from."""

from __future__ import annotations

from statistics import fmean

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy.cluster.hierarchy import leaves_list, linkage

from rewardgen.analysis.aggregates import performance_profile
from rewardgen.analysis.statistics import FEW, Floats
from rewardgen.report.drawn import Drawn, colour_of, csv_text
from rewardgen.report.numbers import unit
from rewardgen.report.plots import INK, short, svg
from rewardgen.store.compare_records import CompareRecord, MatrixRecord
from rewardgen.store.records import FitnessRecord

_MOST_TERMS = 7
_THRESHOLDS = 101
_UNKNOWN = 0.5  # of a trivial reward to any other
_OTHER_TERMS = "other terms"


def drawings(record: CompareRecord) -> dict[str, Drawn]:
    """Return all figures that there are numbers for, by name."""
    figures: dict[str, Drawn] = {}
    matrix = next((m for m in record.distances if m.method == "lstd_val"), None)
    if matrix is not None and len(matrix.names) > 1:
        figures["distances"] = _heatmap(matrix)
    if any(term.share is not None for reward in record.rewards for term in reward.terms):
        figures["shares"] = _shares(record)
    if any(m.fitness for arm in record.arms for m in arm.members):
        figures["profile"] = _profile(record)
    if record.race:
        figures["waterfall"] = _waterfall(record)
    return figures


def clustered(matrix: MatrixRecord) -> list[int]:
    """Return the places of rewards in the order in which near ones adjoin."""
    values = _values(matrix)
    if len(values) < 3:
        return list(range(len(values)))
    pairs = values[np.triu_indices(len(values), 1)]
    tree = linkage(pairs, method="average", optimal_ordering=True)
    return [int(place) for place in leaves_list(tree)]


def _values(matrix: MatrixRecord) -> Floats:
    """Return distances, (K, K), with what is not known filled in."""
    values = np.array(
        [[_UNKNOWN if x is None else x for x in row] for row in matrix.values], dtype=np.float64
    )
    values = (values + values.T) / 2.0
    np.fill_diagonal(values, 0.0)
    return values


def _heatmap(matrix: MatrixRecord) -> Drawn:
    order = clustered(matrix)
    names = [matrix.names[place] for place in order]
    known = [[matrix.values[i][j] for j in order] for i in order]
    shown = np.array([[np.nan if x is None else x for x in row] for row in known])

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        image = axes.imshow(shown, cmap="viridis_r", vmin=0.0, vmax=1.0)
        ticks = range(len(names))
        axes.set_xticks(ticks, [short(name) for name in names], rotation=40, ha="right")
        axes.set_yticks(ticks, [short(name) for name in names])
        axes.grid(visible=False, axis="both")
        for i, row in enumerate(known):
            for j, value in enumerate(row):
                text = "-" if value is None else f"{value:.2f}"
                dark = value is not None and value > 0.5
                axes.text(j, i, text, ha="center", va="center", color="white" if dark else INK)
        figure.colorbar(image, ax=axes, label="distance")

    size = 2.2 + 0.62 * len(names)
    rows = [[name, *row] for name, row in zip(names, known, strict=True)]
    return Drawn(svg((size + 1.2, size), draw), csv_text([["reward", *names], *rows]))


def _shares(record: CompareRecord) -> Drawn:
    told = [r for r in record.rewards if any(t.share is not None for t in r.terms)]
    largest: dict[str, float] = {}
    for reward in told:
        for term in reward.terms:
            largest[term.term] = max(largest.get(term.term, 0.0), abs(term.share or 0.0))
    names = sorted(largest, key=lambda name: -largest[name])[:_MOST_TERMS]
    rest = len(largest) > len(names)
    columns = [*names, *([_OTHER_TERMS] if rest else [])]
    table: list[list[float]] = []
    for reward in told:
        of = {term.term: term.share or 0.0 for term in reward.terms}
        others = sum(share for name, share in of.items() if name not in names)
        table.append([of.get(name, 0.0) for name in names] + ([others] if rest else []))

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        rows = np.arange(len(told))[::-1]
        above, below = np.zeros(len(told)), np.zeros(len(told))
        for place, name in enumerate(columns):
            share = np.array([row[place] for row in table])
            left = np.where(share >= 0.0, above, below)
            axes.barh(rows, share, left=left, label=short(name), color=colour_of(place))
            above, below = above + np.maximum(share, 0.0), below + np.minimum(share, 0.0)
        axes.axvline(0.0, color=INK, linestyle="-", linewidth=0.8)
        axes.set_yticks(rows, [short(reward.name) for reward in told])
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("share of what ranks policies")
        figure.legend(loc="outside upper left", ncols=4)

    rows = [[r.name, *row] for r, row in zip(told, table, strict=True)]
    return Drawn(svg((8.0, 1.4 + 0.45 * len(told)), draw), csv_text([["reward", *columns], *rows]))


def _profile(record: CompareRecord) -> Drawn:
    """Draw, for each arm, the share of its runs above every fitness."""
    arms = {arm.arm: [fmean(m.fitness) for m in arm.members if m.fitness] for arm in record.arms}
    arms = {name: points for name, points in arms.items() if points}
    every = [x for points in arms.values() for x in points]
    sign = 1.0 if record.fitness.direction == "higher" else -1.0
    steps = np.linspace(min(every), max(every), _THRESHOLDS)
    curves: list[tuple[str, Floats]] = []
    bands: dict[str, tuple[Floats, Floats]] = {}
    for name, points in arms.items():
        if len(points) >= FEW:
            found = performance_profile([sign * np.array(points)], sign * steps, seed=0)
            curves.append((name, found.share))
            bands[name] = (found.low, found.high)
        else:
            curves.append((name, np.mean(sign * np.array(points)[:, None] > sign * steps, axis=0)))

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        for place, (name, share) in enumerate(curves):
            label = f"{short(name)} (n = {len(arms[name])})"
            axes.plot(steps, share, color=colour_of(place), linewidth=2, label=label)
            if name in bands:
                low, high = bands[name]
                axes.fill_between(
                    steps,
                    low,
                    high,
                    color=colour_of(place),
                    alpha=0.15,
                    linewidth=0,
                )
        axes.set_xlabel(_label(record.fitness))
        axes.set_ylabel(f"share of runs {'above' if sign > 0 else 'below'}")
        axes.set_ylim(-0.02, 1.02)
        figure.legend(loc="outside upper left", ncols=4)

    rows = [[float(step), *(float(c[i]) for _, c in curves)] for i, step in enumerate(steps)]
    return Drawn(
        svg((8.0, 3.6), draw), csv_text([["fitness", *(name for name, _ in curves)], *rows])
    )


def _waterfall(record: CompareRecord) -> Drawn:
    """Draw every reward's fitness after each rung it went through; a line ends where it retired."""
    names = list(dict.fromkeys(name for rung in record.race for name in rung.fitness))

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        for place, name in enumerate(names):
            points = [(r.rung, r.fitness[name]) for r in record.race if name in r.fitness]
            across, up = zip(*points, strict=True)
            axes.plot(
                across, up, color=colour_of(place), linewidth=2, marker="o", label=short(name)
            )
            if across[-1] < record.race[-1].rung:
                axes.plot(
                    across[-1:],
                    up[-1:],
                    color=colour_of(place),
                    linewidth=2,
                    marker="X",
                    markersize=9,
                )
        axes.set_xlabel("rung (× retired)")
        axes.set_ylabel(f"{_label(record.fitness)}, race")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.set_xlim(0.6, record.race[-1].rung + 0.4)
        figure.legend(loc="outside upper left", ncols=4)

    rows = [[rung.rung, *(rung.fitness.get(name) for name in names)] for rung in record.race]
    return Drawn(svg((8.0, 3.6), draw), csv_text([["rung", *names], *rows]))


def _label(metric: FitnessRecord) -> str:
    return f"{metric.name.replace('_', ' ')}{unit(metric.unit)}"
