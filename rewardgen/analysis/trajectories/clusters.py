"""Failed episodes that are alike, each group with its most typical episode.

Ward's method: like k-means it seeks groups of small variance, but it needs no random starts and
gives the same every time. The number of groups is that of the best silhouette (Rousseeuw,
"Silhouettes", 1987), one if even the best is weak.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage

from rewardgen.analysis.trajectories.episodes import Episodes, Floats, too_few
from rewardgen.store.analysis_records import ClusterRecord, FailureRecord

FEWEST = 6
MOST_CLUSTERS = 6
WEAK_SILHOUETTE = 0.35
"""Below it the groups are hardly apart: even one round cloud can be cut in two."""
LAST_STEPS = 10
_WEAKEST_SHARE = 0.25
_TOLD = 2


@dataclass(frozen=True)
class Clusters:
    """Groups of N points.

    Attributes:
        label: group of each point, from 0, the largest first, (N,).
        medoids: the point of each group that is nearest to all others in it.
        silhouette: mean over the points; None for a single group.
    """

    label: Int[np.ndarray, " N"]
    medoids: tuple[int, ...]
    silhouette: float | None


@dataclass(frozen=True)
class Description:
    """Episodes as points.

    Attributes:
        points: (N, D), each column of mean 0 and deviation 1; without columns that never vary.
        names: what each column is.
    """

    points: Float[np.ndarray, "N D"]
    names: tuple[str, ...]


def failures(episodes: Episodes, train_seeds: tuple[int, ...]) -> FailureRecord:
    """Return the failed episodes in groups.

    Args:
        episodes: all episodes.
        train_seeds: of the policies.
    """
    failed, basis = failed_episodes(episodes)
    rows = np.flatnonzero(failed)
    if len(rows) < FEWEST:
        reason = too_few("failed episodes", FEWEST, len(rows))
        return FailureRecord(
            basis=basis, episodes=len(rows), clusters=(), silhouette=None, reason=reason
        )
    description = describe(episodes, rows)
    found = cluster(description.points)
    records = tuple(
        _record(episodes, train_seeds, description, found, rows, group)
        for group in range(len(found.medoids))
    )
    return FailureRecord(
        basis=basis, episodes=len(rows), clusters=records, silhouette=found.silhouette
    )


def failed_episodes(episodes: Episodes) -> tuple[Bool[np.ndarray, " E"], str]:
    """Return which episodes count as failed, and why these."""
    if episodes.success is not None:
        return ~episodes.success, "episodes without success"
    if episodes.early.any():
        return episodes.early, "episodes that ended early"
    score = episodes.sign * episodes.fitness
    weakest = np.zeros(len(episodes), dtype=bool)
    weakest[np.argsort(score, kind="stable")[: round(_WEAKEST_SHARE * len(episodes))]] = True
    return weakest, "the weakest quarter: the metric has no success threshold, and none ended early"


def describe(episodes: Episodes, rows: NDArray[np.intp]) -> Description:
    """Describe episodes by returns per term, length, cause, and how their last steps went.

    Args:
        episodes: all episodes.
        rows: which of them, (N,).
    """
    columns: dict[str, Floats] = {
        f"return of term {name}": np.nansum(values[rows], axis=1)
        for name, values in episodes.terms.items()
    }
    columns["length"] = episodes.length[rows].astype(np.float64)
    ends = [episodes.cause[int(row)] for row in rows]
    columns |= {
        f"ended by {cause}": np.array([float(end == cause) for end in ends])
        for cause in dict.fromkeys(ends)
    }
    last = [_last_steps(episodes, int(row)) for row in rows]
    means = np.array([steps.mean(axis=0) for steps in last])
    changes = np.array([steps[-1] - steps[0] for steps in last])
    for place, name in enumerate(episodes.names):
        columns[f"late {name}"] = means[:, place]
        columns[f"late change of {name}"] = changes[:, place]
    # kinds of columns, not single ones, weigh the same: a task has many more features than terms
    groups = [_kind(name) for name in columns]
    sizes = Counter(groups)
    table = np.stack(list(columns.values()), axis=1)
    deviation = table.std(axis=0)
    alive = deviation > 1e-9 * np.maximum(1.0, np.abs(table).max(axis=0))
    points = (table - table.mean(axis=0))[:, alive] / deviation[alive]
    weights = np.array([sizes[group] ** -0.5 for group in groups])[alive]
    names = tuple(name for name, kept in zip(columns, alive, strict=True) if kept)
    return Description(points * weights, names)


def cluster(points: Float[np.ndarray, "N D"]) -> Clusters:
    """Return groups of at least 2 points."""
    distance = np.linalg.norm(points[:, None] - points[None], axis=2)
    best_label, best = np.zeros(len(points), dtype=np.int64), WEAK_SILHOUETTE
    tree = linkage(points, "ward")
    for count in range(2, min(MOST_CLUSTERS, len(points) - 1) + 1):
        label = fcluster(tree, count, "maxclust").astype(np.int64) - 1
        value = silhouette(distance, label)
        if value > best + 1e-9:
            best_label, best = label, value
    sizes = np.bincount(best_label)
    order = np.argsort(-sizes, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    label = place[best_label]
    return Clusters(
        label=label,
        medoids=tuple(_medoid(distance, label == group) for group in range(len(sizes))),
        silhouette=best if len(sizes) > 1 else None,
    )


def silhouette(distance: Float[np.ndarray, "N N"], label: Int[np.ndarray, " N"]) -> float:
    """Return the mean silhouette of groups; that of a point alone in its group is 0."""
    groups = np.unique(label)
    if len(groups) < 2:
        return 0.0
    inside = label[:, None] == groups
    sizes = inside.sum(axis=0)
    mean = distance @ inside / sizes
    own = inside.argmax(axis=1)
    rows = np.arange(len(label))
    alone = sizes[own] == 1
    within = mean[rows, own] * sizes[own] / np.maximum(1, sizes[own] - 1)
    beyond = np.where(inside, np.inf, mean).min(axis=1)
    scale = np.maximum(within, beyond)
    value = np.where(alone | (scale == 0.0), 0.0, (beyond - within) / np.where(scale, scale, 1.0))
    return float(value.mean())


def _medoid(distance: Floats, inside: Bool[np.ndarray, " N"]) -> int:
    rows = np.flatnonzero(inside)
    return int(rows[distance[np.ix_(rows, rows)].sum(axis=1).argmin()])


def _last_steps(episodes: Episodes, row: int) -> Floats:
    end = int(episodes.length[row])
    return episodes.features[row, max(0, end - LAST_STEPS) : end].astype(np.float64)


def _kind(name: str) -> str:
    return next(
        (k for k in ("return of term", "ended by", "late change of", "late") if name.startswith(k)),
        name,
    )


def _record(
    episodes: Episodes,
    train_seeds: tuple[int, ...],
    description: Description,
    found: Clusters,
    rows: NDArray[np.intp],
    group: int,
) -> ClusterRecord:
    inside = found.label == group
    mine = [int(row) for row in rows[inside]]
    medoid = int(rows[found.medoids[group]])
    cause = Counter(episodes.cause[row] for row in mine).most_common(1)[0][0]
    length_s = float(episodes.length[mine].mean()) * episodes.control_dt_s
    return ClusterRecord(
        episodes=len(mine),
        sentence=_sentence(description, inside, cause, length_s),
        cause=cause,
        fitness=float(episodes.fitness[mine].mean()),
        length_s=length_s,
        train_seed=train_seeds[int(episodes.policy[medoid])],
        eval_seed=episodes.eval_seed[medoid],
    )


def _sentence(
    description: Description, inside: Bool[np.ndarray, " N"], cause: str, length_s: float
) -> str:
    """Say how they end, and in what they differ most from the other failed episodes."""
    said = f"end by {cause.replace('_', ' ')} after {length_s:.3g} s on average"
    if inside.all():
        return said
    points = description.points
    gap = points[inside].mean(axis=0) - points[~inside].mean(axis=0)
    spread = points.std(axis=0)
    standing = gap / np.where(spread > 0.0, spread, 1.0)
    telling = [
        i
        for i in map(int, np.argsort(-np.abs(standing), kind="stable"))
        if not description.names[i].startswith("ended by") and description.names[i] != "length"
    ]
    differences = [
        f"{'high' if standing[i] > 0 else 'low'} {description.names[i]}" for i in telling[:_TOLD]
    ]
    return f"{said}; {', '.join(differences)}" if differences else said
