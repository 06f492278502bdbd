"""Whether a reward went on rising while the fitness fell, and since when.

The normalized drop is that of Karwowski et al., "Goodhart's Law in Reinforcement Learning", 2023:
fitness at the end minus its best along training, as a share of its range. A maximum over noise is
always above the truth, so the best stretch is chosen by half of the updates and measured by the
other half.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import ndtri
from scipy.stats import pearsonr, spearmanr

from rewardgen.analysis.statistics import LEVEL, bootstrap_interval, t_interval, welch_interval
from rewardgen.analysis.trajectories.episodes import Floats, too_few
from rewardgen.store.analysis_records import CorrelationRecord, DivergenceRecord, Estimated

STRETCHES = 20
FEWEST_STRETCHES = 6
FEWEST_UPDATES = 2 * FEWEST_STRETCHES
FEWEST_EPISODES = 5
DROP_FROM = 0.1
"""A drop of more than this share of the fitness's range counts, if its whole interval does."""
CHANCE = 0.01
PERMUTATIONS = 1000
_MEMBERS = 3  # from so many on the interval is over members, else over updates
_LONGER = "train for more updates"


@dataclass(frozen=True)
class Path:
    """Fitness and own return of M members over S stretches of training.

    Attributes:
        env_steps: at the end of each stretch, (S,).
        fitness: mean over members and updates, larger is better, (S,).
        proxy: the candidate's own return, (S,).
    """

    env_steps: Float[np.ndarray, " S"]
    fitness: Float[np.ndarray, " S"]
    proxy: Float[np.ndarray, " S"]


def drop_height(fitness: Float[np.ndarray, " S"]) -> float:
    """Return the fitness at the end minus the best along training; 0 if it ends at its best."""
    return float(fitness[-1] - fitness.max())


def path(
    env_steps: Float[np.ndarray, " U"],
    fitness: Float[np.ndarray, "M U"],
    proxy: Float[np.ndarray, "M U"],
) -> Path | None:
    """Return training in stretches; None if too few updates saw an episode's end.

    Args:
        env_steps: at the end of each update.
        fitness: of the training episodes, larger is better; NaN where none ended.
        proxy: the candidate's own return of these episodes.
    """
    places = _stretches(fitness, proxy)
    if places is None:
        return None
    return Path(
        env_steps=np.array([env_steps[place[-1]] for place in places]),
        fitness=np.array([np.nanmean(fitness[:, place]) for place in places]),
        proxy=np.array([np.nanmean(proxy[:, place]) for place in places]),
    )


def divergence(
    env_steps: Float[np.ndarray, " U"],
    fitness: Float[np.ndarray, "M U"],
    proxy: Float[np.ndarray, "M U"],
    seed: int,
) -> DivergenceRecord:
    """Return how fitness and own return went apart along training; arguments as in ``path``."""
    places, found = _stretches(fitness, proxy), path(env_steps, fitness, proxy)
    if places is None or found is None:
        updates = int(np.isfinite(fitness).any(axis=0).sum())
        reason = too_few("updates that saw an episode end", FEWEST_UPDATES, updates, _LONGER)
        nothing = Estimated(value=None, reason=reason)
        return DivergenceRecord(
            drop=nothing,
            drop_height=None,
            best_env_steps=None,
            proxy_rose=None,
            proxy_trend=None,
            level_correlation=nothing,
            change_correlation=nothing,
            change_env_steps=None,
            change=None,
            diverged=False,
            onset_env_steps=None,
        )
    choosing = _half(places, 0)
    best = int(np.nanargmax([np.nanmean(fitness[:, place]) for place in choosing]))
    drop = _drop(fitness, _half(places, 1), best, found)
    rose = float(found.proxy[-1] - found.proxy[best])
    diverged = drop.interval is not None and drop.interval[1] < -DROP_FROM and rose >= 0.0
    change = change_point(found.fitness, seed)
    return DivergenceRecord(
        drop=drop,
        drop_height=drop_height(found.fitness),
        best_env_steps=float(found.env_steps[best]),
        proxy_rose=rose,
        proxy_trend=_correlation(np.arange(float(len(found.proxy))), found.proxy, _spearman).value,
        level_correlation=_correlation(found.fitness, found.proxy, _pearson),
        change_correlation=_correlation(np.diff(found.fitness), np.diff(found.proxy), _spearman),
        change_env_steps=None if change is None else float(found.env_steps[change[0] - 1]),
        change=None if change is None else change[1],
        diverged=diverged,
        onset_env_steps=float(found.env_steps[best]) if diverged else None,
    )


def change_point(values: Float[np.ndarray, " S"], seed: int) -> tuple[int, float] | None:
    """Return where the level of a series changes most: the first place after it, and by how much.

    None if a series of the same values in random order would often change as much.

    Args:
        values: the series.
        seed: of the random orders.
    """
    if len(values) < FEWEST_STRETCHES or values.max() - values.min() <= 1e-12:
        return None
    gains = _gains(values[None])[0]
    place = int(gains.argmax())
    shuffled = np.random.default_rng(seed).permuted(np.tile(values, (PERMUTATIONS, 1)), axis=1)
    if float((_gains(shuffled).max(axis=1) >= gains[place] * (1 - 1e-9)).mean()) > CHANCE:
        return None
    first = place + 1
    return first, float(values[first:].mean() - values[:first].mean())


def step_correlations(
    reference: tuple[Floats, Floats],
    policy: tuple[Floats, Floats],
    gain: Estimated,
    needed: float | None,
    seed: int,
) -> CorrelationRecord:
    """Return how reward and fitness go together under random actions and under the policies.

    A proxy is hacked if it goes with the fitness where it was written, and the policy that seeks it
    does worse than that reference (Laidlaw et al., "Correlated Proxies", 2025).

    Args:
        reference: reward and fitness per control step, (E, T) each; NaN behind an episode's end.
        policy: the same of the trained policies.
        gain: what the policies gained in fitness over the reference.
        needed: what success would need of it, None where success means nothing.
        seed: of the bootstrap over episodes.
    """
    return CorrelationRecord(
        reference=step_correlation(*reference, seed),
        policy=step_correlation(*policy, seed),
        fitness_gain=gain,
        needed_gain=needed,
    )


def step_correlation(
    reward: Float[np.ndarray, "E T"], fitness: Float[np.ndarray, "E T"], seed: int
) -> Estimated:
    """Return Pearson's correlation over control steps, with an interval over whole episodes."""
    if len(reward) < FEWEST_EPISODES:
        return Estimated(value=None, reason=too_few("episodes", FEWEST_EPISODES, len(reward)))
    good = np.isfinite(reward) & np.isfinite(fitness)
    for name, values in (("reward", reward), ("fitness", fitness)):
        kept = values[good]
        if not kept.size or kept.std() <= 1e-9 * max(1.0, float(np.abs(kept).max())):
            return Estimated(value=None, reason=f"the {name} is the same at every step")
    x = np.where(good, reward - reward[good].mean(), 0.0)
    y = np.where(good, fitness - fitness[good].mean(), 0.0)
    moments = np.stack([m.sum(axis=1) for m in (good, x, y, x * x, y * y, x * y)], axis=1)

    def of(drawn: Sequence[Floats]) -> Floats:
        return _from_moments(moments[drawn[0].astype(np.int64)].sum(axis=1))

    value = float(_from_moments(moments.sum(axis=0, keepdims=True))[0])
    with np.errstate(invalid="ignore", divide="ignore"):
        low, high = bootstrap_interval([np.arange(len(x), dtype=np.float64)], of, seed)
    return Estimated(value=value, interval=(max(-1.0, low), min(1.0, high)))


def gain(fitness: Floats, reference: Floats, sign: float) -> Estimated:
    """Return mean fitness minus that of a reference, larger is better, with Welch's interval."""
    for what, values in (("episodes", fitness), ("random episodes", reference)):
        if len(values) < FEWEST_EPISODES:
            return Estimated(value=None, reason=too_few(what, FEWEST_EPISODES, len(values)))
    return Estimated(
        value=sign * float(fitness.mean() - reference.mean()),
        interval=welch_interval(sign * fitness, sign * reference),
    )


# ---- internals


def _stretches(fitness: Floats, proxy: Floats) -> list[np.ndarray] | None:
    """Return the updates of each stretch; those in which no episode ended are left out."""
    known = np.flatnonzero((np.isfinite(fitness) & np.isfinite(proxy)).any(axis=0))
    if len(known) < FEWEST_UPDATES:
        return None
    # two updates each at least: one half chooses, the other measures
    return np.array_split(known, min(STRETCHES, len(known) // 2))


def _half(places: Sequence[np.ndarray], which: int) -> list[np.ndarray]:
    return [place[which::2] for place in places]


def _drop(fitness: Floats, measuring: Sequence[np.ndarray], best: int, found: Path) -> Estimated:
    """Return the drop since the best stretch as a share of the fitness's range."""
    scale = float(found.fitness.max() - found.fitness.min())
    last = len(measuring) - 1
    if best == last or scale <= 0.0:
        return Estimated(value=0.0, interval=(0.0, 0.0))
    ends, tops = fitness[:, measuring[last]], fitness[:, measuring[best]]
    per_member = np.nanmean(ends, axis=1) - np.nanmean(tops, axis=1)
    whole = per_member[np.isfinite(per_member)]
    end, top = ends[np.isfinite(ends)], tops[np.isfinite(tops)]
    value = float(end.mean() - top.mean()) / scale
    if len(whole) >= _MEMBERS:
        low, high = t_interval(whole)
    elif min(len(end), len(top)) > 1:
        low, high = welch_interval(end, top)
    else:
        return Estimated(value=value, reason="one update per stretch tells nothing of its chance")
    return Estimated(value=value, interval=(low / scale, high / scale))


def _gains(series: Float[np.ndarray, "R S"]) -> Float[np.ndarray, "R S-1"]:
    """Return by how much two levels in place of one explain each series better, per place."""
    centred: Floats = series - series.mean(axis=1, keepdims=True)
    sums = np.cumsum(centred, axis=1)[:, :-1]
    size = int(series.shape[1])
    before = np.arange(1, size)
    return sums**2 * size / (before * (size - before))


def _pearson(x: Floats, y: Floats) -> float:
    return float(pearsonr(x, y).statistic)


def _spearman(x: Floats, y: Floats) -> float:
    return float(spearmanr(x, y).statistic)


def _correlation(x: Floats, y: Floats, of: Callable[[Floats, Floats], float]) -> Estimated:
    """Return a correlation with Fisher's interval."""
    for values in (x, y):
        if values.max() - values.min() <= 1e-12 * max(1.0, float(np.abs(values).max())):
            return Estimated(value=None, reason="one of both never changes")
    value = of(x, y)
    inner = min(max(value, -1.0 + 1e-12), 1.0 - 1e-12)
    # 1.06 is for ranks (Fieller et al. 1957); for levels it is a little too wide
    half = float(ndtri((1.0 + LEVEL) / 2.0)) * math.sqrt(1.06 / (len(x) - 3))
    low, high = math.tanh(math.atanh(inner) - half), math.tanh(math.atanh(inner) + half)
    return Estimated(value=value, interval=(low, high))


def _from_moments(moments: Float[np.ndarray, "... 6"]) -> Float[np.ndarray, "..."]:
    count, x, y, xx, yy, xy = np.moveaxis(moments, -1, 0)
    covariance = xy - x * y / count
    return covariance / np.sqrt((xx - x * x / count) * (yy - y * y / count))
