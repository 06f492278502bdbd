"""How a reward's canonicalized returns rank the whole episodes of a log."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rewardgen.compare.logged import Bools, Floats, Ints, LoggedTransitions
from rewardgen.compare.ranking import FEWEST, rank_correlation, success_auc
from rewardgen.compare.verdicts import LEAST_AUC
from rewardgen.store.compare_records import EpisodeRecord, RankingRecord, ViolationRecord

FEW_OF_A_KIND = 5
"""Successes, and failures, below which a gate would act on luck."""
VIOLATIONS = 5


@dataclass(frozen=True)
class Target:
    """How the fitness ranks: its direction, and what it calls a success.

    Attributes:
        sign: 1 if higher is better, else -1.
        success: threshold, in the metric's unit, or None.
    """

    sign: float
    success: float | None


@dataclass(frozen=True)
class Standing:
    """How a reward ranks episodes; see ``RankingRecord``."""

    tau: float | None
    tau_interval: tuple[float, float] | None
    auc: float | None
    auc_interval: tuple[float, float] | None
    auc_of: str
    violations: tuple[ViolationRecord, ...]
    remarks: tuple[str, ...]

    def record(self) -> RankingRecord:
        """Return the same as plain data."""
        return RankingRecord(**vars(self))


def standing_of(
    data: LoggedTransitions,
    whole: Bools,
    fitness: Floats,
    returns: Floats,
    target: Target,
    seed: int,
) -> Standing:
    """Return how returns (E,) rank the whole episodes.

    Args:
        data: the transitions.
        whole: episodes that are ranked, (E,).
        fitness: of them, (E,).
        returns: canonicalized returns of a reward, (E,).
        target: how the fitness ranks.
        seed: of the resampling.
    """
    places = np.flatnonzero(whole)
    scores, values = target.sign * fitness[places], returns[places]
    remarks: list[str] = []
    tau, tau_interval = None, None
    if len(places) < FEWEST:
        remarks.append(f"a rank correlation needs {FEWEST} whole episodes, there are {len(places)}")
    else:
        found = rank_correlation(values, scores, data.episode_source[places], seed)
        tau = None if np.isnan(found.value) else found.value
        tau_interval = found.interval
        remarks += [found.method] if tau is None else []
    good, bad, auc_of = _kinds(scores, target)
    least = min(int(good.sum()), int(bad.sum()))
    if least < FEW_OF_A_KIND:
        remarks.append(
            f"telling successes from failures needs {FEW_OF_A_KIND} of each, there are "
            f"{int(good.sum())} and {int(bad.sum())}"
            + ("" if target.success is None else ": add a run that succeeds with --data RUN")
        )
        return Standing(tau, tau_interval, None, None, auc_of, (), tuple(remarks))
    chosen = good | bad
    auc = success_auc(values[chosen], good[chosen])
    pairs: tuple[ViolationRecord, ...] = ()
    if auc.value < LEAST_AUC:
        pairs = _violations(data, places, fitness, returns, good, bad)
    return Standing(tau, tau_interval, auc.value, auc.interval, auc_of, pairs, tuple(remarks))


def _kinds(scores: Floats, target: Target) -> tuple[Bools, Bools, str]:
    """Return which episodes count as success and as failure, and why."""
    if target.success is not None:
        good = scores >= target.sign * target.success
        return good, ~good, "success against failure"
    if not len(scores):
        none = np.zeros(0, dtype=bool)
        return none, none, "upper against lower third by fitness"
    low, high = np.quantile(scores, [1.0 / 3.0, 2.0 / 3.0])
    bad = scores <= low
    return (scores >= high) & ~bad, bad, "upper against lower third by fitness"


def _violations(
    data: LoggedTransitions,
    places: Ints,
    fitness: Floats,
    returns: Floats,
    good: Bools,
    bad: Bools,
) -> tuple[ViolationRecord, ...]:
    """Return the pairs that a reward ranks most wrongly, each episode in one of them."""

    def episode(place: int) -> EpisodeRecord:
        return EpisodeRecord(
            source=data.sources[int(data.episode_source[place])],
            number=place,
            fitness=float(fitness[place]),
            steps=int(data.lengths[place]),
            value=float(returns[place]),
        )

    lowest = sorted(places[good].tolist(), key=lambda place: returns[place])
    highest = sorted(places[bad].tolist(), key=lambda place: -returns[place])
    pairs = [
        ViolationRecord(better=episode(one), worse=episode(other))
        for one, other in zip(lowest, highest, strict=False)
        if returns[other] > returns[one]
    ]
    return tuple(pairs[:VIOLATIONS])
