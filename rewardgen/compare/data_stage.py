"""What transitions say of rewards: distances, floors, shares, rankings, and what follows of them.

Everything is computed on canonicalized rewards, so that neither a shaping nor a scale changes
anything, nor a constant where episodes do not terminate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from rewardgen.analysis.term_status import status_on_steps
from rewardgen.compare.features import curved_features
from rewardgen.compare.logged import Bools, Floats, LoggedTransitions
from rewardgen.compare.sampled import (
    TRIVIAL,
    Canonicalizer,
    Distances,
    advantage_shares,
    distances,
    episode_returns,
    estimator_floor,
    fit_both,
    triviality,
)
from rewardgen.compare.standing import Standing, Target, standing_of
from rewardgen.compare.verdicts import Evidence, Pair, Verdict, decide, kept
from rewardgen.store.compare_records import (
    DataRecord,
    MatrixRecord,
    SourceRecord,
    TermRecord,
)

_CONSTANT = 1e-6


@dataclass(frozen=True, eq=False)
class RankedLog:
    """Logged transitions whose episodes have a fitness.

    Attributes:
        data: the transitions.
        whole: episodes that ran from their start to their end, (E,).
        fitness: of the ranking metric, meaningful where ``whole``, (E,).
    """

    data: LoggedTransitions
    whole: Bools
    fitness: Floats


@dataclass(frozen=True, eq=False)
class PaidReward:
    """A reward on the transitions of a log.

    Attributes:
        name: of the reward.
        reward: what it pays, (N,).
        terms: its terms, (N, T).
        term_names: their names, T.
    """

    name: str
    reward: Floats
    terms: Floats
    term_names: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Reading:
    """What the transitions say of one reward.

    Attributes:
        mean: of what it pays.
        scale: its standard deviation.
        left: share of it that shaping cannot explain.
        constant: whether it pays the same everywhere, and nothing is left of it.
        standing: how it ranks episodes.
        terms: its terms, the largest share first.
        remarks: what to know of the numbers.
    """

    mean: float
    scale: float
    left: float
    constant: bool
    standing: Standing
    terms: tuple[TermRecord, ...]
    remarks: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Compared:
    """Rewards compared on transitions.

    Attributes:
        names: of the rewards, in order.
        readings: one for each.
        lstd_val: distances by LSTD-VAL, on which decisions are made: its floor is the lower one.
        min_l2: distances by MIN-L2, without which none is made.
        floor: of LSTD-VAL, one for each reward.
        floor_min_l2: of MIN-L2.
        features: how many functions of the state potentials were made of.
    """

    names: tuple[str, ...]
    readings: tuple[Reading, ...]
    lstd_val: Distances
    min_l2: Distances
    floor: Floats
    floor_min_l2: Floats
    features: int

    def place(self, name: str) -> int:
        """Return the place of a reward."""
        return self.names.index(name)

    def trivial(self, name: str) -> bool:
        """Whether almost nothing is left of a reward."""
        return self.readings[self.place(name)].left < TRIVIAL

    def nearest(self, name: str) -> tuple[str, float] | None:
        """Return the nearest other reward and how near it is; None where nothing has a distance."""
        others = self.lstd_val.value[self.place(name)].copy()
        others[self.place(name)] = np.nan
        if np.all(np.isnan(others)):
            return None
        place = int(np.nanargmin(others))
        return self.names[place], float(others[place])

    def pair(self, first: str, second: str) -> Pair:
        """Return how far apart two rewards are."""
        i, j = self.place(first), self.place(second)
        return Pair(
            distance=number(self.lstd_val.value[i, j]),
            floor=_higher(self.floor[[i, j]]),
            second=number(self.min_l2.value[i, j]),
            second_floor=_higher(self.floor_min_l2[[i, j]]),
        )


def _higher(floors: Floats) -> float:
    return float(np.nanmax(np.append(floors, 0.0)))


@dataclass(frozen=True, eq=False)
class Fitted:
    """What is computed once for a log, whatever rewards are compared on it.

    Attributes:
        least: canonicalizer of MIN-L2.
        value: canonicalizer of LSTD-VAL.
        features: how many functions of the state potentials were made of.
    """

    least: Canonicalizer
    value: Canonicalizer
    features: int


def fit(data: LoggedTransitions, seed: int) -> Fitted:
    """Fit both estimators.

    Raises:
        ValueError: too few transitions; says how many are needed.
    """
    features = curved_features(data, seed)
    least, value = fit_both(data, features)
    return Fitted(least, value, features.count)


def compare_on(
    log: RankedLog,
    rewards: Sequence[PaidReward],
    target: Target,
    seed: int,
    fitted: Fitted | None = None,
) -> Compared:
    """Compare rewards on the transitions of a log.

    Args:
        log: the transitions.
        rewards: what each pays on them.
        target: how the fitness ranks episodes.
        seed: of features, potentials and resampling.
        fitted: to the same log before; by default it is fitted now.

    Raises:
        ValueError: too few transitions or episodes; says how many are needed.
    """
    data = log.data
    known = fitted or fit(data, seed)
    least, value = known.least, known.value
    paid = np.stack([reward.reward for reward in rewards], axis=1)
    canonical = least(paid)
    left = triviality(data, paid, canonical)
    returns = episode_returns(data, canonical, gamma=1.0)
    readings = [
        _reading(log, reward, float(left[i]), returns[:, i], least, target, seed)
        for i, reward in enumerate(rewards)
    ]
    return Compared(
        names=tuple(reward.name for reward in rewards),
        readings=tuple(readings),
        min_l2=distances(data, paid, least, seed),
        lstd_val=distances(data, paid, value, seed),
        floor=estimator_floor(data, paid, value, seed),
        floor_min_l2=estimator_floor(data, paid, least, seed),
        features=known.features,
    )


def _reading(
    log: RankedLog,
    reward: PaidReward,
    left: float,
    returns: Floats,
    canonicalize: Canonicalizer,
    target: Target,
    seed: int,
) -> Reading:
    data = log.data
    mean = float(np.average(reward.reward, weights=data.weights))
    scale = float(np.sqrt(np.average(np.square(reward.reward - mean), weights=data.weights)))
    remarks: list[str] = []
    terms: tuple[TermRecord, ...] = ()
    if reward.term_names:
        shares = advantage_shares(data, reward.terms, reward.reward, canonicalize)
        remarks += [shares.remark] if shares.remark else []
        terms = _terms(reward, shares.share)
    trivial = left < TRIVIAL
    constant = trivial and scale <= _CONSTANT * max(abs(mean), 1e-12)
    if trivial and not constant:
        remarks.append(
            f"almost pure shaping: {left:.1%} of it is left, so it has no distance to others"
        )
    ranked = standing_of(log.data, log.whole, log.fitness, returns, target, seed)
    if trivial:
        ranked = replace(ranked, auc=None, auc_interval=None, violations=())
    return Reading(mean, scale, left, constant, ranked, terms, tuple(remarks))


def _terms(reward: PaidReward, shares: Floats) -> tuple[TermRecord, ...]:
    means, spreads = reward.terms.mean(axis=0), reward.terms.std(axis=0)
    liveliest = float(spreads.max())
    records = [
        TermRecord(
            term=name,
            share=number(shares[i]),
            mean=float(means[i]),
            spread=float(spreads[i]),
            status=status_on_steps(reward.terms[:, i], liveliest, number(shares[i])).value,
        )
        for i, name in enumerate(reward.term_names)
    ]
    return tuple(sorted(records, key=lambda term: -abs(term.share or 0.0)))


def verdicts(compared: Compared, reference: str | None) -> list[Verdict]:
    """Return what is to be done with each reward, in order.

    Of two that rank policies alike the first is kept; the reference counts as kept.
    """
    found: list[Verdict] = []
    names = compared.names
    for i, (name, reading) in enumerate(zip(names, compared.readings, strict=True)):
        before = kept(names[:i], found)
        others = before if reference is None else [*before, reference]
        distinct = [other for other in dict.fromkeys(others) if other != name]
        found.append(
            decide(
                Evidence(
                    name=name,
                    constant=reading.constant,
                    pairs={other: compared.pair(name, other) for other in distinct},
                    reference=reference,
                    auc=reading.standing.auc,
                )
            )
        )
    return found


def matrices(compared: Compared, sources: Sequence[str]) -> tuple[MatrixRecord, ...]:
    """Return all distances as plain data."""
    pairs = (
        ("lstd_val", compared.lstd_val, compared.floor),
        ("min_l2", compared.min_l2, compared.floor_min_l2),
    )
    return tuple(_matrix(method, compared.names, d, floor, sources) for method, d, floor in pairs)


def _matrix(
    method: str, names: tuple[str, ...], found: Distances, floor: Floats, sources: Sequence[str]
) -> MatrixRecord:
    count = len(names)
    return MatrixRecord(
        method=method,
        names=names,
        values=_plain(found.value),
        intervals=tuple(
            tuple(interval(found.low[i, j], found.high[i, j]) for j in range(count))
            for i in range(count)
        ),
        floor=tuple(number(value) for value in floor),
        by_source={
            name: _plain(values) for name, values in zip(sources, found.by_source, strict=True)
        },
    )


def _plain(values: Floats) -> tuple[tuple[float | None, ...], ...]:
    return tuple(tuple(number(value) for value in row) for row in values)


def number(value: float) -> float | None:
    """Return a number as plain data; None where it is not finite."""
    return float(value) if np.isfinite(value) else None


def interval(low: float, high: float) -> tuple[float, float] | None:
    """Return an interval as plain data; None where it has no ends."""
    return (float(low), float(high)) if np.isfinite(low) and np.isfinite(high) else None


def data_record(log: RankedLog, sha256: str, features: int) -> DataRecord:
    """Return what is told of the transitions."""
    data = log.data
    sources: list[SourceRecord] = []
    for number_of, name in enumerate(data.sources):
        mine = data.episode_source == number_of
        ended = mine & log.whole
        sources.append(
            SourceRecord(
                name=name,
                transitions=int(data.lengths[mine].sum()),
                episodes=int(ended.sum()),
                fitness=float(log.fitness[ended].mean()) if ended.any() else None,
            )
        )
    return DataRecord(
        sha256=sha256,
        transitions=len(data),
        episodes=int(log.whole.sum()),
        discount=data.discount,
        features=features,
        sources=tuple(sources),
    )
