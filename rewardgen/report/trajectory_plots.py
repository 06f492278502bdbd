"""The figures of an analysis, each with the table that it is drawn from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from rewardgen.analysis.trajectories.divergence import Path
from rewardgen.analysis.trajectories.episodes import Episodes, Floats
from rewardgen.report.curves import CurveReader
from rewardgen.report.drawn import Drawn, colour_of, csv_text
from rewardgen.report.numbers import unit
from rewardgen.report.plots import INK, short, steps_label, svg
from rewardgen.store.analysis_records import AnalysisRecord
from rewardgen.store.records import FitnessRecord, MemberRecord

_LEGEND_COLUMNS = 4
_HEAT_STEP = 0.3
_LIMIT = 2.5  # deviations at which the colours of the heatmap end


def drawings(
    record: AnalysisRecord,
    episodes: Episodes,
    reader: CurveReader,
    members: Sequence[MemberRecord],
    along: Path | None,
) -> dict[str, Drawn]:
    """Return all figures by name.

    Args:
        record: what was found.
        episodes: the episodes.
        reader: reads the training curves.
        members: whose they are.
        along: fitness and return along training, None if they are not known.
    """
    drawn = {
        "terms-over-episode": terms_over_episode(episodes),
        "terms-by-episode": terms_by_episode(episodes),
        "endings": endings(record),
    }
    steps, terms = _training_terms(reader, members)
    if terms:
        drawn["terms-over-training"] = terms_over_training(steps, terms)
    if along is not None:
        onset = None if record.divergence is None else record.divergence.onset_env_steps
        drawn["fitness-versus-reward"] = fitness_versus_reward(along, onset, record.metric)
    return drawn


def terms_over_episode(episodes: Episodes) -> Drawn:
    """Draw what every term pays over the time of an episode: gains up, costs down.

    Means over the episodes that still run; their quartiles of the reward as a band, and a mark for
    each episode that ended early.
    """
    steps = 1 + np.arange(int(episodes.reward.shape[1]))
    time = steps.astype(np.float64) * episodes.control_dt_s
    running = episodes.played.sum(axis=0)
    means = {name: _column_means(values) for name, values in episodes.terms.items()}
    reward = _column_means(episodes.reward)
    low, high = np.nanquantile(episodes.reward, [0.25, 0.75], axis=0)
    ends = episodes.length[episodes.early] * episodes.control_dt_s

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        _areas(axes, time, means)
        axes.fill_between(time, low, high, color=INK, alpha=0.12, linewidth=0)
        axes.plot(time, reward, color=INK, linewidth=1.6, label="reward")
        if len(ends):
            axes.scatter(
                ends,
                np.full(len(ends), min(0.0, axes.get_ylim()[0])),
                s=30,
                color="#9f1239",
                alpha=0.6,
                linewidths=0,
                label="ended early",
            )
        axes.set_xlabel("time in the episode (s)")
        axes.set_ylabel("per control step")
        figure.legend(loc="outside upper left", ncols=_LEGEND_COLUMNS)

    columns: dict[str, Iterable[float | int | str]] = {
        "time_s": time,
        "episodes": running,
        "reward": reward,
    }
    columns |= {"reward_quartile_1": low, "reward_quartile_3": high}
    columns |= {f"term {name}": values for name, values in means.items()}
    return Drawn(svg((8.0, 3.9), draw), _table(columns))


def terms_over_training(env_steps: Floats, terms: dict[str, Floats]) -> Drawn:
    """Draw what every term pays along training: gains up, costs down, means over policies."""
    total = np.sum(list(terms.values()), axis=0)

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        _areas(axes, env_steps, terms)
        axes.plot(env_steps, total, color=INK, linewidth=1.6, label="sum")
        axes.set_xlabel("environment steps per policy")
        axes.set_ylabel("per control step")
        axes.xaxis.set_major_formatter(FuncFormatter(steps_label))
        figure.legend(loc="outside upper left", ncols=_LEGEND_COLUMNS)

    columns = {"env_steps": env_steps, "sum": total}
    columns |= {f"term {name}": values for name, values in terms.items()}
    return Drawn(svg((8.0, 3.9), draw), _table(columns))


def terms_by_episode(episodes: Episodes) -> Drawn:
    """Draw each term's mean in each episode, the fittest first, in deviations of the term."""
    order = np.argsort(-episodes.sign * episodes.fitness, kind="stable")
    means = {
        name: (np.nansum(values, axis=1) / episodes.length)[order]
        for name, values in episodes.terms.items()
    }
    standing = np.array([_standardized(values) for values in means.values()])

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        image = axes.imshow(
            standing, cmap="RdBu_r", vmin=-_LIMIT, vmax=_LIMIT, aspect="auto", interpolation="none"
        )
        axes.set_yticks(range(len(means)), [short(name) for name in means])
        axes.grid(visible=False, axis="both")
        axes.set_xlabel("episodes, the fittest first")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        figure.colorbar(image, ax=axes, label="deviations from the term's mean")

    columns: dict[str, Iterable[float | int | str]] = {
        "policy": episodes.policy[order],
        "eval_seed": [episodes.eval_seed[i] for i in order],
        "fitness": episodes.fitness[order],
        "cause": [episodes.cause[i] for i in order],
    }
    columns |= {f"term {name}": values for name, values in means.items()}
    return Drawn(svg((8.0, 1.6 + _HEAT_STEP * len(means)), draw), _table(columns))


def fitness_versus_reward(along: Path, onset: float | None, metric: FitnessRecord) -> Drawn:
    """Draw fitness against own return along training, with the onset of a divergence.

    Args:
        along: training; its fitness is larger for better.
        onset: env-steps after which the two went apart, None if they did not.
        metric: the fitness.
    """
    fitness = along.fitness if metric.direction == "higher" else -along.fitness

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        axes.plot(along.proxy, fitness, color="#9ca3af", linewidth=1.2, zorder=0)
        points = axes.scatter(
            along.proxy, fitness, s=40, c=along.env_steps, cmap="viridis", linewidths=0
        )
        bar = figure.colorbar(points, ax=axes, label="environment steps per policy")
        bar.ax.yaxis.set_major_formatter(FuncFormatter(steps_label))
        if onset is not None:
            at = int(np.argmin(np.abs(along.env_steps - onset)))
            axes.scatter(
                [along.proxy[at]],
                [fitness[at]],
                s=180,
                color="none",
                edgecolors="#9f1239",
                linewidths=2.0,
                label="since here the reward rises and the fitness falls",
            )
            figure.legend(loc="outside upper left", ncols=1)
        axes.set_xlabel("own return of training episodes")
        axes.set_ylabel(f"{metric.name.replace('_', ' ')}{unit(metric.unit)}")

    columns = {"env_steps": along.env_steps, "own_return": along.proxy, metric.name: fitness}
    return Drawn(svg((8.0, 3.9), draw), _table(columns))


def endings(record: AnalysisRecord) -> Drawn:
    """Draw which causes end episodes along training, and when episodes end early."""
    found, steps = record.terminations, record.checkpoints
    hazard = [h for h in found.hazard if h.hazard is not None]

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot(1, 2, 1)
        axes.set_title("along training", loc="left", fontsize=9)
        for place, cause in enumerate(found.training):
            colour = colour_of(place)
            axes.plot(
                steps[: len(cause.shares)],
                cause.shares,
                color=colour,
                linewidth=1.8,
                label=cause.cause.replace("_", " "),
            )
        axes.set_ylim(-0.02, 1.02)
        axes.set_xlabel("environment steps per policy")
        axes.set_ylabel("share of episodes ended by")
        axes.xaxis.set_major_formatter(FuncFormatter(steps_label))
        axes = figure.add_subplot(1, 2, 2)
        axes.set_title("in the episodes of this analysis", loc="left", fontsize=9)
        axes.bar(
            [h.from_s for h in hazard],
            [h.hazard or 0.0 for h in hazard],
            width=[h.to_s - h.from_s for h in hazard],
            align="edge",
            color="#56B4E9",
            edgecolor="white",
        )
        axes.set_ylim(0.0, 1.02)
        axes.set_xlabel("time in the episode (s)")
        axes.set_ylabel("hazard: ends early, of those left")
        if found.training:
            figure.legend(loc="outside upper left", ncols=_LEGEND_COLUMNS)

    rows = [("cause", "env_steps", "share", "from_s", "to_s", "at_risk", "ended", "hazard")]
    rows += [
        (cause.cause, str(step), str(share), "", "", "", "", "")
        for cause in found.training
        for step, share in zip(steps, cause.shares, strict=False)
    ]
    rows += [
        ("", "", "", str(h.from_s), str(h.to_s), str(h.at_risk), str(h.ended), str(h.hazard))
        for h in hazard
    ]
    return Drawn(svg((8.0, 3.2), draw), csv_text(rows))


# ---- internals


def _areas(axes: Axes, x: Floats, terms: dict[str, Floats]) -> None:
    """Stack gains above zero and costs below; a term that changes its sign has a part in both."""
    above, below = np.zeros(len(x)), np.zeros(len(x))
    for place, (name, values) in enumerate(terms.items()):
        colour = colour_of(place)
        gain, cost = np.maximum(values, 0.0), np.minimum(values, 0.0)
        axes.fill_between(
            x, above, above + gain, color=colour, alpha=0.75, linewidth=0, label=short(name)
        )
        axes.fill_between(x, below, below + cost, color=colour, alpha=0.75, linewidth=0)
        above, below = above + gain, below + cost


def _training_terms(
    reader: CurveReader, members: Sequence[MemberRecord]
) -> tuple[Floats, dict[str, Floats]]:
    """Return env-steps and the mean of each term over policies; none where they are not known."""
    names = dict.fromkeys(
        name.removeprefix("term/")
        for member in members
        for name in reader.member(member)
        if name.startswith("term/")
    )
    bands = [reader.band(name, members, f"term/{name}") for name in names]
    known = [band for band in bands if band is not None]
    if not known:
        return np.zeros(0), {}
    return known[0].env_steps, {band.label: band.mean for band in known}


def _column_means(values: Floats) -> Floats:
    count = np.isfinite(values).sum(axis=0)
    return np.nansum(values, axis=0) / np.maximum(count, 1)


def _standardized(values: Floats) -> Floats:
    spread = float(values.std())
    return (values - values.mean()) / spread if spread > 0.0 else np.zeros(len(values))


def _table(columns: dict[str, Floats] | dict[str, Iterable[float | int | str]]) -> str:
    rows: list[tuple[str, ...]] = [tuple(columns)]
    rows += [tuple(map(str, row)) for row in zip(*columns.values(), strict=True)]
    return csv_text(rows)
