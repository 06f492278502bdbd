"""How well a reward ranks episodes that were ranked by something else. No reference is needed.

The returns should be those of canonicalized rewards (``sampled.episode_returns``): of raw ones a
reward and its shaped copy may rank episodes differently, though they rank policies alike.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import kendalltau

from rewardgen.analysis.statistics import LEVEL, Estimate, probability_of_improvement
from rewardgen.compare.logged import Bools, Floats, Ints

FEWEST = 10
"""Episodes that an interval of a rank correlation needs; below, the bootstrap covers too rarely."""
RESAMPLES = 1_000


def kendall_tau(x: Floats, y: Floats) -> float:
    """Return Kendall's τ-b of two rankings of n episodes; NaN if one ranks all alike.

    The Trajectory Alignment Coefficient of Muslimani et al., 2025, where one ranking is a
    person's and the other that of a reward's returns.

    Raises:
        ValueError: rankings of different or fewer than 2 episodes.
    """
    if x.shape != y.shape or x.ndim != 1 or len(x) < 2:
        raise ValueError(
            f"a rank correlation needs two rankings of the same episodes, 2 or more, not "
            f"{x.shape} and {y.shape}"
        )
    return float(kendalltau(x, y).statistic)


def rank_correlation(returns: Floats, fitness: Floats, source: Ints, seed: int) -> Estimate:
    """Return Kendall's τ-b with its bootstrap interval over episodes.

    Args:
        returns: of a reward, one per episode, (E,).
        fitness: what should rank the episodes, (E,).
        source: who acted; episodes are drawn within their source, (E,).
        seed: of the bootstrap.

    Raises:
        ValueError: too few episodes; says how many are needed.
    """
    value = kendall_tau(returns, fitness)
    if len(returns) < FEWEST:
        raise ValueError(
            f"the interval of a rank correlation needs {FEWEST} episodes, there are {len(returns)}"
        )
    if np.isnan(value):
        return Estimate(value, None, "all episodes tie")
    first, second = (np.sign(values[:, None] - values) for values in (returns, fitness))
    drawn = _drawn(source, seed)
    agree, left, right = (_pairs(drawn, p) for p in (first * second, first**2, second**2))
    untied = (left > 0.0) & (right > 0.0)
    resampled = agree[untied] / np.sqrt(left[untied] * right[untied])
    tail = (1.0 - LEVEL) / 2.0
    low, high = np.quantile(resampled, [tail, 1.0 - tail])
    return Estimate(value, (float(low), float(high)), "bootstrap over episodes")


def success_auc(returns: Floats, success: Bools) -> Estimate:
    """Return the probability that a success has a higher return than a failure, ties ½.

    Its interval is Newcombe's: where all successes are above all failures every resample says 1,
    which few episodes do not prove.

    Args:
        returns: of a reward, one per episode, (E,).
        success: whether each succeeded, (E,).

    Raises:
        ValueError: no success, or no failure.
    """
    good, bad = returns[success], returns[~success]
    if not len(good) or not len(bad):
        raise ValueError(
            f"telling successes from failures needs 1 of each, there are {len(good)} successes "
            f"and {len(bad)} failures"
        )
    return probability_of_improvement(good, bad)


def _drawn(source: Ints, seed: int) -> Floats:
    """Return how often each episode is drawn in each resample, (R, E)."""
    generator = np.random.default_rng(seed)
    drawn = np.zeros((RESAMPLES, len(source)))
    for number in np.unique(source):
        mine = np.flatnonzero(source == number)
        drawn[:, mine] = generator.multinomial(
            len(mine), np.full(len(mine), 1.0 / len(mine)), RESAMPLES
        )
    return drawn


def _pairs(drawn: Floats, of_pair: Floats) -> Floats:
    """Return the sum over all pairs of drawn episodes, (R,)."""
    return ((drawn @ of_pair) * drawn).sum(axis=1)
