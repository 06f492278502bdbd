"""Builds feedback from training curves and evaluations.

Inputs are plain mappings, so that any trainer can give them: a curve holds, per update,
``env_steps``, ``episode_return``, ``episode_length``, ``fitness/<metric>``, ``cause/<name>``
(share of the episodes), ``term/<name>`` (mean per transition) and, where the trainer knows it,
``advantage_share/<name>``. Entries that are None or not finite (no episode ended in that update)
are left out of averages.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise, zip_longest
from statistics import fmean, variance
from typing import TypeAlias

from rewardgen.analysis.columns import ColumnStatistics
from rewardgen.analysis.feedback import (
    Column,
    Feedback,
    Fitness,
    Hacking,
    Series,
    Term,
    TermStatus,
)
from rewardgen.analysis.term_status import is_dead
from rewardgen_envs.metrics import Metric

Curve: TypeAlias = Mapping[str, Sequence[float | None]]

CHECKPOINTS = 10
DOMINANT_SHARE = 0.9
# a term that stays this close to its best for a third of training has nothing left to give
SATURATED_WITHIN = 0.02
# hacking: fitness lost more than this share of what it had gained while the return kept rising
LOST_SHARE = 0.2
Z_95 = 1.96


def summarize(
    metrics: Sequence[Metric],
    curves: Sequence[Curve],
    evaluations: Mapping[str, Sequence[Sequence[float]]],
    columns: Sequence[Mapping[str, ColumnStatistics]] = (),
) -> Feedback:
    """Return the feedback on a candidate that was trained.

    Args:
        metrics: what is measured, the ranking one first; curves of other metrics are left out.
        curves: training curves, one per member.
        evaluations: per metric, per member, the fitness of each evaluation episode; may be empty.
        columns: per member, statistics of the public columns in its evaluation episodes.
    """
    steps = _average([curve.get("env_steps", ()) for curve in curves])
    terms = summarize_terms(curves)
    fitness = tuple(
        evaluation_fitness(metric, evaluations[metric.name])
        for metric in metrics
        if evaluations.get(metric.name)
    )
    return Feedback(
        env_steps=int(max(steps, default=0)),
        checkpoints=stretch_ends(curves),
        fitness=fitness,
        training_fitness={
            name: series
            for name, series in _group(curves, "fitness/").items()
            if name in {metric.name for metric in metrics}
        },
        episode_return=_series(curves, "episode_return"),
        episode_length=_series(curves, "episode_length"),
        terms=terms,
        causes=cause_shares(curves),
        columns=_columns(columns),
        hacking=_hacking(metrics[0], curves, steps),
    )


def evaluation_fitness(metric: Metric, members: Sequence[Sequence[float]]) -> Fitness:
    """Return mean and 95 % interval of a metric over the evaluation episodes of each member.

    The interval is that of a mean of members' means with the episodes as the only source of
    chance: it says how well these policies are measured, not how lucky their seeds were.
    """
    means = [fmean(episodes) for episodes in members]
    error = sum(variance(e) / len(e) for e in members if len(e) > 1) ** 0.5 / len(members)
    mean = fmean(means)
    return Fitness(
        metric=metric.name,
        unit=metric.unit,
        higher_is_better=metric.higher_is_better,
        mean=mean,
        low=mean - Z_95 * error,
        high=mean + Z_95 * error,
        members=tuple(means),
        episodes=max(len(episodes) for episodes in members),
    )


# ---- series


def _average(rows: Sequence[Sequence[float | None]]) -> list[float]:
    """Average rows over members, entry by entry; NaN where no member has a finite value."""
    return [
        fmean(finite)
        if (finite := [v for v in entry if v is not None and math.isfinite(v)])
        else math.nan
        for entry in zip_longest(*rows)
    ]


def _stretches(values: Sequence[float]) -> list[list[float]]:
    """Cut values into up to ``CHECKPOINTS`` stretches of nearly equal length."""
    count = min(CHECKPOINTS, len(values))
    edges = [round(i * len(values) / count) for i in range(count + 1)] if count else [0]
    return [list(values[a:b]) for a, b in pairwise(edges)]


def _summarize(values: Sequence[float]) -> Series | None:
    finite = [v for v in values if math.isfinite(v)]
    if not finite:
        return None
    means: list[float] = []
    for stretch in _stretches(values):
        inside = [v for v in stretch if math.isfinite(v)]
        # a stretch without an episode's end repeats what was known before it
        means.append(fmean(inside) if inside else (means[-1] if means else finite[0]))
    return Series(values=tuple(means), maximum=max(finite), mean=fmean(finite), minimum=min(finite))


def _series(curves: Sequence[Curve], key: str) -> Series | None:
    return _summarize(_average([curve.get(key, ()) for curve in curves]))


def _names(curves: Sequence[Curve], prefix: str) -> list[str]:
    """Names under a prefix, in the order in which the curves give them."""
    found = {k.removeprefix(prefix): None for c in curves for k in c if k.startswith(prefix)}
    return list(found)


def _group(curves: Sequence[Curve], prefix: str) -> dict[str, Series]:
    series = {name: _series(curves, prefix + name) for name in _names(curves, prefix)}
    return {name: value for name, value in series.items() if value is not None}


def _columns(members: Sequence[Mapping[str, ColumnStatistics]]) -> tuple[Column, ...]:
    if not members:
        return ()
    return tuple(
        Column(
            name=name,
            members=tuple(m[name].mean for m in members),
            low=min(m[name].low for m in members),
            median=fmean(m[name].median for m in members),
            high=max(m[name].high for m in members),
        )
        for name in members[0]
        if all(name in m for m in members)
    )


def stretch_ends(curves: Sequence[Curve]) -> tuple[float, ...]:
    """Return the env-steps at the end of each stretch of the series."""
    steps = _average([curve.get("env_steps", ()) for curve in curves])
    return tuple(stretch[-1] for stretch in _stretches(steps))


def cause_shares(curves: Sequence[Curve]) -> dict[str, Series]:
    """Return the share of the training episodes that each cause ended, along training."""
    return _group(curves, "cause/")


# ---- terms


def summarize_terms(curves: Sequence[Curve]) -> tuple[Term, ...]:
    """Return what each reward term did along training, in the order of the curves.

    Args:
        curves: training curves, one per member.
    """
    names = _names(curves, "term/")
    means = {name: _average([c.get(f"term/{name}", ()) for c in curves]) for name in names}
    series = {name: _summarize(values) for name, values in means.items()}
    known = {name: value for name, value in series.items() if value is not None}
    shares = _shares(curves, {name: means[name] for name in known})
    spreads = {name: value.maximum - value.minimum for name, value in known.items()}
    liveliest = max(spreads.values(), default=0.0)
    return tuple(
        Term(
            name=name,
            series=value,
            share=shares.get(name),
            status=_status(means[name], spreads[name], liveliest, shares.get(name), len(known)),
        )
        for name, value in known.items()
    )


def _shares(curves: Sequence[Curve], means: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Return how much of what drives the policy is each term's; the shares sum to 1.

    The share of the advantage over the last third of training if the trainer gives it, else
    that of the variance of the reward's mean along training.
    """
    key = "advantage_share/"
    given = {name: _average([c.get(key + name, ()) for c in curves]) for name in means}
    late = {name: [v for v in _late(row) if math.isfinite(v)] for name, row in given.items()}
    if late and all(late.values()):
        raw = {name: fmean(row) for name, row in late.items()}
    else:
        raw = _covariances(means)
    total = sum(raw.values())
    return {name: value / total for name, value in raw.items()} if abs(total) > 1e-12 else {}


def _covariances(means: Mapping[str, Sequence[float]]) -> dict[str, float]:
    rows = [row for row in zip(*means.values(), strict=False) if all(map(math.isfinite, row))]
    if len(rows) < 2:
        return {}
    totals = [sum(row) for row in rows]
    centre = fmean(totals)
    columns = dict(zip(means, zip(*rows, strict=True), strict=True))
    return {
        name: sum(v * (total - centre) for v, total in zip(values, totals, strict=True))
        for name, values in columns.items()
    }


def _late(values: Sequence[float]) -> Sequence[float]:
    """The last third."""
    return values[len(values) - max(1, len(values) // 3) :]


def _status(
    means: Sequence[float], spread: float, liveliest: float, share: float | None, count: int
) -> TermStatus:
    finite = [v for v in means if math.isfinite(v)]
    if is_dead(spread, liveliest, share):
        return TermStatus.DEAD
    late, top, reach = _late(finite), max(finite), max(finite) - min(finite)
    # a single point is flat whatever the curve does
    flat = len(late) > 1 and max(late) - min(late) <= SATURATED_WITHIN * abs(top)
    if flat and min(late) >= top - SATURATED_WITHIN * abs(top) and reach > 0.1 * abs(top):
        return TermStatus.SATURATED
    if count > 1 and share is not None and share >= DOMINANT_SHARE:
        return TermStatus.DOMINANT
    return TermStatus.OK


# ---- hacking


def _hacking(metric: Metric, curves: Sequence[Curve], steps: Sequence[float]) -> Hacking | None:
    fitness = _series(curves, f"fitness/{metric.name}")
    returns = _series(curves, "episode_return")
    if fitness is None or returns is None or len(fitness.values) < 4:
        return None
    scores = [metric.sign * v for v in fitness.values]
    best = max(range(len(scores)), key=scores.__getitem__)
    gained, lost = scores[best] - min(scores), scores[best] - scores[-1]
    rose = returns.values[-1] - returns.values[best]
    reach = max(returns.values) - min(returns.values)
    if lost <= LOST_SHARE * max(gained, abs(scores[best])) or rose <= 0.05 * reach or not reach:
        return None
    rises = {
        name: series.values[-1] - series.values[best]
        for name, series in _group(curves, "term/").items()
        if len(series.values) == len(scores)
    }
    return Hacking(
        since_env_steps=_stretches(steps)[best][-1] if len(steps) >= len(scores) else 0.0,
        fitness_best=fitness.values[best],
        fitness_last=fitness.values[-1],
        driver=max(rises, key=rises.__getitem__) if rises else None,
    )
