"""How episodes end: how often, when, and whether the reward pays for it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float, Int

from rewardgen.analysis.statistics import welch_interval
from rewardgen.analysis.trajectories.episodes import Episodes, too_few
from rewardgen.store.analysis_records import (
    CauseRecord,
    Estimated,
    HazardRecord,
    TerminationRecord,
    TrainingCauseRecord,
)

STRETCHES = 10
FEWEST = 5
"""Episodes that ended early, and that did not, from which on they are compared."""


def terminations(episodes: Episodes, training: Mapping[str, Sequence[float]]) -> TerminationRecord:
    """Return how episodes end.

    Args:
        episodes: the episodes.
        training: share of the training episodes that each cause ended, over stretches.
    """
    return TerminationRecord(
        causes=causes(episodes.cause),
        hazard=hazard(
            episodes.length, episodes.early, episodes.nominal_steps, episodes.control_dt_s
        ),
        training=tuple(
            TrainingCauseRecord(cause=cause, shares=tuple(shares))
            for cause, shares in training.items()
        ),
        dying_pays=dying_pays(episodes.returns, episodes.early),
    )


def causes(ends: Sequence[str]) -> tuple[CauseRecord, ...]:
    """Return how often each cause ended an episode, the most frequent first."""
    counts = sorted(Counter(ends).items(), key=lambda pair: (-pair[1], pair[0]))
    return tuple(
        CauseRecord(cause=cause, episodes=count, share=count / len(ends)) for cause, count in counts
    )


def hazard(
    length: Int[np.ndarray, " E"],
    early: Bool[np.ndarray, " E"],
    nominal_steps: int,
    control_dt_s: float,
) -> tuple[HazardRecord, ...]:
    """Return the share of the episodes that reach a stretch of time and end early within it.

    Unlike a histogram it does not fall only because fewer episodes are left.

    Args:
        length: control steps of each episode.
        early: whether it ended before its time.
        nominal_steps: control steps of one that does not.
        control_dt_s: seconds per control step.
    """
    count = min(STRETCHES, nominal_steps)
    edges = [round(i * nominal_steps / count) for i in range(count + 1)]
    records: list[HazardRecord] = []
    for start, stop in pairwise(edges):
        at_risk = int((length > start).sum())
        ended = int((early & (length > start) & (length <= stop)).sum())
        records.append(
            HazardRecord(
                from_s=start * control_dt_s,
                to_s=stop * control_dt_s,
                at_risk=at_risk,
                ended=ended,
                hazard=ended / at_risk if at_risk else None,
            )
        )
    return tuple(records)


def dying_pays(returns: Float[np.ndarray, " E"], early: Bool[np.ndarray, " E"]) -> Estimated:
    """Return E[return | ended early] - E[return | full length], with Welch's interval.

    Above zero: a policy that seeks return has a reason to end its episodes.
    """
    died, lived = returns[early], returns[~early]
    for what, group in (("episodes that end early", died), ("episodes of full length", lived)):
        if len(group) < FEWEST:
            return Estimated(value=None, reason=too_few(what, FEWEST, len(group)))
    difference = float(died.mean() - lived.mean())
    interval = welch_interval(died, lived)
    assert all(map(math.isfinite, interval))
    return Estimated(value=difference, interval=interval)
