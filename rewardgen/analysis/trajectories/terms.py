"""What each reward term does in the episodes; along training see ``analysis/summary.py``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float

from rewardgen.analysis.feedback import Term, TermStatus
from rewardgen.analysis.statistics import probability_of_improvement
from rewardgen.analysis.term_status import edges, status_on_steps
from rewardgen.analysis.trajectories.episodes import Episodes, Floats, too_few
from rewardgen.store.analysis_records import Estimated, TermRecord

FEWEST = 5
"""Successes, and failures, from which on they are compared."""


def term_records(episodes: Episodes, training: Sequence[Term]) -> tuple[TermRecord, ...]:
    """Return what is known of every term.

    Args:
        episodes: the episodes.
        training: what the terms did along training; may lack some.
    """
    known = {term.name: term for term in training}
    steps = {name: values[episodes.played] for name, values in episodes.terms.items()}
    shares = variance_shares(steps, episodes.reward[episodes.played])
    liveliest = max((float(v.std()) for v in steps.values()), default=0.0)
    return tuple(
        _record(episodes, name, values, shares[name], liveliest, known.get(name))
        for name, values in steps.items()
    )


def variance_shares(
    terms: Mapping[str, Floats], reward: Float[np.ndarray, " N"]
) -> dict[str, float | None]:
    """Return Cov(term, reward) / Var(reward) of each term; None if the reward never varies.

    They sum to 1 if the reward is the sum of its terms.
    """
    spread = float(reward.var())
    if spread <= 1e-18 * max(1.0, float(np.abs(reward).max())) ** 2:
        return dict.fromkeys(terms)
    centred = reward - reward.mean()
    return {name: float((values * centred).mean() / spread) for name, values in terms.items()}


def success_auc(
    earned: Float[np.ndarray, " E"], success: Bool[np.ndarray, " E"] | None
) -> Estimated:
    """Return the probability that a success earns more than a failure, ties counting half."""
    if success is None:
        return Estimated(value=None, reason="the metric has no success threshold")
    won, lost = earned[success], earned[~success]
    for what, group in (("successful episodes", won), ("failed episodes", lost)):
        if len(group) < FEWEST:
            return Estimated(value=None, reason=too_few(what, FEWEST, len(group)))
    estimate = probability_of_improvement(won, lost)
    return Estimated(value=estimate.value, interval=estimate.interval)


def _record(
    episodes: Episodes,
    name: str,
    values: Floats,
    variance_share: float | None,
    liveliest: float,
    along_training: Term | None,
) -> TermRecord:
    at_low, at_high = edges(values)
    status = TermStatus.OK if along_training is None else along_training.status
    share = None if along_training is None else along_training.share
    if status is TermStatus.OK:
        status = status_on_steps(values, liveliest, share)
    return TermRecord(
        name=name,
        mean=float(values.mean()),
        deviation=float(values.std()),
        variance_share=variance_share,
        advantage_share=share,
        at_low=at_low,
        at_high=at_high,
        status=status.value,
        auc=success_auc(np.nansum(episodes.terms[name], axis=1), episodes.success),
    )
