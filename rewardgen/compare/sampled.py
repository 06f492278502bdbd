"""Distances between rewards on logged transitions, for tasks whose states are no finite set.

Potentials are linear in features Ψ of the state, Φ = Ψθ, and Ψ(s') = 0 after a termination (a
truncated episode's last state keeps its potential). With F = γΨ' - Ψ, rows weighted so that all
sources count alike, a canonicalizer is c(r) = r + Fθ with

- MIN-L2: θ = argmin Σ w (r + Fθ)²: the orthogonal projection that removes the span of F;
- LSTD-VAL: Ψᵀw(r + Fθ) = 0: θ is the value of the policies that acted, as least-squares temporal
  differences estimate it (Bradtke and Barto, 1996), and c(r) is their advantage.

Both are linear in r, so shaping by a potential in the span changes nothing, at any number of
transitions, and rewards of any number are canonicalized by one factorization. Potentials outside
of the span are not removed: ``estimator_floor`` says how far they move a reward. Where the same
action from the same state can lead to different states, the difference counts as reward, and
distances are too large.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rewardgen.compare.features import Features, held_out_potentials
from rewardgen.compare.logged import Bools, Floats, LoggedTransitions

TRIVIAL = 0.02
"""Rewards of which a smaller share is left are pure shaping or constants, as far as data tell."""
RESAMPLES = 1_000
FLOOR_POTENTIALS = 16
LEVEL = 0.95

# singular values below this share of the largest are the same potential twice
INDEPENDENT = 1e-12
# what rounding may leave of a constant
ROUNDING = 1e-6


@dataclass(frozen=True, eq=False)
class Canonicalizer:
    """c(r) = r - left (right r), linear in r.

    Attributes:
        left: shaping, (N, k).
        right: its coefficients for a reward, (k, N).
    """

    left: Floats
    right: Floats

    def __call__(self, rewards: Floats) -> Floats:
        """Return what shaping leaves of rewards, (N,) or many at once (N, K).

        Raises:
            ValueError: another number of transitions, or numbers that are not finite.
        """
        if rewards.ndim not in (1, 2) or len(rewards) != len(self.left):
            raise ValueError(
                f"rewards must have the shape ({len(self.left)},) or ({len(self.left)}, K), not "
                f"{rewards.shape}"
            )
        if not np.all(np.isfinite(rewards)):
            row = int(np.argwhere(~np.isfinite(rewards))[0][0])
            raise ValueError(f"the reward of transition {row} is not finite")
        return rewards - self.left @ (self.right @ rewards)


def shaping(data: LoggedTransitions, potentials: Features) -> Floats:
    """Return γΦ(s') - Φ(s), with Φ(s') = 0 after a termination, (N, d)."""
    after = np.where(data.terminated[:, None], 0.0, potentials(data.next_state))
    return data.discount * after - potentials(data.state)


def fit_min_l2(data: LoggedTransitions, features: Features) -> Canonicalizer:
    """Return the canonicalizer that leaves the least norm.

    Raises:
        ValueError: too few transitions for so many features; says how many are needed.
    """
    root = np.sqrt(data.weights)[:, None]
    shaped, _ = _span(root * _enough(shaping(data, features)))
    return _least(root, shaped)


def fit_lstd_val(data: LoggedTransitions, features: Features) -> Canonicalizer:
    """Return the canonicalizer that leaves the advantage of the policies that acted.

    In orthonormal bases U of the shaping and B of its potentials it is I - U (BᵀU)⁻¹ Bᵀ, the same
    projection as with F and Ψ, without the square of their condition.

    Raises:
        ValueError: too few transitions for so many features; says how many are needed.
    """
    return fit_both(data, features)[1]


def fit_both(data: LoggedTransitions, features: Features) -> tuple[Canonicalizer, Canonicalizer]:
    """Return the canonicalizers of MIN-L2 and LSTD-VAL; what both need is computed once.

    Raises:
        ValueError: too few transitions for so many features; says how many are needed.
    """
    root = np.sqrt(data.weights)[:, None]
    shaped, potentials = _span(root * _enough(shaping(data, features)))
    tested, _ = np.linalg.qr(root * features(data.state) @ potentials)
    inverse = np.linalg.pinv(tested.T @ shaped).astype(np.float64)
    return _least(root, shaped), Canonicalizer(shaped / root, inverse @ (root * tested).T)


def _least(root: Floats, shaped: Floats) -> Canonicalizer:
    return Canonicalizer(shaped / root, (root * shaped).T)


def triviality(data: LoggedTransitions, rewards: Floats, canonical: Floats) -> Floats:
    """Return min(1, ‖c(R)‖ / ‖R - mean‖), (K,): near 0, a reward is but shaping or a constant.

    Where episodes terminate a constant is not nothing, it pays for living: then 1.

    Args:
        data: the transitions.
        rewards: (N, K).
        canonical: c of them, (N, K).
    """
    left = _norms(data, canonical)
    spread = _norms(data, rewards - np.average(rewards, axis=0, weights=data.weights))
    whole = spread + ROUNDING * _norms(data, rewards)
    return np.minimum(1.0, np.divide(left, whole, out=np.zeros_like(left), where=whole > 0.0))


@dataclass(frozen=True, eq=False)
class Distances:
    """Distances of K rewards; NaN where one is trivial.

    Attributes:
        value: in [0, 1], (K, K).
        low: lower end of the 95 % interval over episodes, (K, K).
        high: upper end, (K, K).
        by_source: the same distances on each source's transitions alone, (sources, K, K).
        triviality: what is left of each reward, (K,); below ``TRIVIAL`` it has no distances.
    """

    value: Floats
    low: Floats
    high: Floats
    by_source: Floats
    triviality: Floats


def distances(
    data: LoggedTransitions, rewards: Floats, canonicalize: Canonicalizer, seed: int
) -> Distances:
    """Return all distances of some rewards, with bootstrap intervals over episodes.

    Episodes are drawn within their source; the canonicalizer stays as it is. The interval is that
    of the episodes' luck: what the features cannot remove is the floor's to say.

    Args:
        data: the transitions.
        rewards: (N, K).
        canonicalize: fitted on the same transitions.
        seed: of the bootstrap.

    Raises:
        ValueError: fewer than two episodes of a source, or rewards of another shape.
    """
    _check_columns(rewards)
    canonical = canonicalize(rewards)
    left = triviality(data, rewards, canonical)
    products, lengths = _products(data, canonical), data.lengths
    generator = np.random.default_rng(seed)
    count = rewards.shape[1]
    sources = np.zeros((len(data.sources), count, count))
    drawn = np.zeros((RESAMPLES, count, count))
    for number, name in enumerate(data.sources):
        mine = np.flatnonzero(data.episode_source == number)
        if len(mine) < 2:
            raise ValueError(f"an interval needs 2 episodes of each source, '{name}' has 1")
        flat, rows = products[mine].reshape(len(mine), -1), lengths[mine]
        sources[number] = products[mine].sum(axis=0) / rows.sum()
        chosen = generator.multinomial(len(mine), np.full(len(mine), 1.0 / len(mine)), RESAMPLES)
        means = (chosen @ flat) / (chosen @ rows)[:, None]
        drawn += means.reshape(drawn.shape)
    hidden = left < TRIVIAL
    value, by_source = (
        _without(hidden, _from_products(p)) for p in (sources.mean(axis=0), sources)
    )
    tail = (1.0 - LEVEL) / 2.0
    low, high = np.quantile(_from_products(drawn), [tail, 1.0 - tail], axis=0)
    return Distances(value, _without(hidden, low), _without(hidden, high), by_source, left)


def estimator_floor(
    data: LoggedTransitions, rewards: Floats, canonicalize: Canonicalizer, seed: int
) -> Floats:
    """Return how far shaping that should change nothing moves each reward, (K,).

    The median of d(R, R + γΦ' - Φ) over random potentials of another kind than the features, each
    as large as the reward's own variation. Distances below it mean nothing. NaN for a trivial
    reward.

    Args:
        data: the transitions.
        rewards: (N, K).
        canonicalize: fitted on the same transitions.
        seed: of the potentials.

    Raises:
        ValueError: rewards of another shape.
    """
    _check_columns(rewards)
    canonical = canonicalize(rewards)
    extra = shaping(data, held_out_potentials(data, seed, FLOOR_POTENTIALS))
    spread = _norms(data, rewards - np.average(rewards, axis=0, weights=data.weights))
    scale = spread[:, None] / _norms(data, extra)  # (K, P)
    rest = canonicalize(extra)
    weighted = data.weights[:, None] / len(data)
    own = np.square(_norms(data, canonical))[:, None]
    cross = scale * ((weighted * canonical).T @ rest)
    other = np.square(scale * _norms(data, rest))
    floor = np.median(_distance(own + cross, own, own + 2.0 * cross + other), axis=1)
    return np.where(triviality(data, rewards, canonical) < TRIVIAL, np.nan, floor)


@dataclass(frozen=True, eq=False)
class Shares:
    """Which terms make a reward rank policies as it does.

    Attributes:
        share: of each term, sums to 1, (T,); negative where a term works against the rest. NaN
            where nothing is left of the reward.
        unexplained: share of the transitions on which the reward is not the sum of its terms.
        remark: what to know before reading the shares, "" if nothing.
    """

    share: Floats
    unexplained: float
    remark: str


def advantage_shares(
    data: LoggedTransitions, terms: Floats, reward: Floats, canonicalize: Canonicalizer
) -> Shares:
    """Return ⟨c(R_k), c(R)⟩ / ‖c(R)‖² of the terms R_k, for R their sum.

    A constant, or a term that only shapes, has no share however large its numbers are. Shares are
    of the sum of the terms: a clipped reward has none, as it is no sum.

    Args:
        data: the transitions.
        terms: (N, T).
        reward: what was paid, (N,).
        canonicalize: fitted on the same transitions.

    Raises:
        ValueError: terms of another shape.
    """
    _check_columns(terms)
    total: Floats = np.sum(terms, axis=1)
    size: Floats = np.max(np.abs(terms), axis=1) + np.abs(reward)
    unexplained = float(np.mean(np.greater(np.abs(reward - total), 1e-5 * size)))
    canonical = canonicalize(terms)
    whole = canonical.sum(axis=1, keepdims=True)
    if triviality(data, total[:, None], whole)[0] < TRIVIAL:
        nothing = np.full(terms.shape[1], np.nan)
        return Shares(nothing, unexplained, "almost pure shaping or constant: no term has a share")
    products = canonical.T @ (data.weights * whole[:, 0])
    remark = ""
    if unexplained:
        remark = f"on {unexplained:.1%} of transitions the reward is not the sum of its terms"
        remark += " (clipped, negated, or a term not added?): the shares are of the sum"
    return Shares(products / products.sum(), unexplained, remark)


def episode_returns(data: LoggedTransitions, rewards: Floats, gamma: float) -> Floats:
    """Return Σ γᵗ r of every episode, (E, K).

    Of raw rewards it depends on shaping wherever episodes start or end in different states; of
    canonicalized ones it does not.

    Args:
        data: the transitions.
        rewards: (N, K).
        gamma: the log's discount, or 1 to count all of an episode alike.

    Raises:
        ValueError: rewards of another shape.
    """
    _check_columns(rewards)
    since_start = np.arange(len(data)) - np.repeat(data.starts, data.lengths)
    return np.add.reduceat(gamma ** since_start[:, None] * rewards, data.starts, axis=0)


def _enough(columns: Floats) -> Floats:
    rows, count = columns.shape
    if rows < 2 * count:
        raise ValueError(
            f"{count} features need at least {2 * count} transitions, there are {rows}"
        )
    return columns


def _span(columns: Floats) -> tuple[Floats, Floats]:
    """Return an orthonormal basis of the columns' span, (N, rank), and what makes it, (d, rank)."""
    basis, triangle = np.linalg.qr(columns)
    directions, sizes, mixes = np.linalg.svd(triangle)
    kept = sizes > INDEPENDENT * sizes[0]
    return basis @ directions[:, kept], mixes[kept].T / sizes[kept]


def _norms(data: LoggedTransitions, columns: Floats) -> Floats:
    return np.sqrt(np.average(np.square(columns), axis=0, weights=data.weights))


def _products(data: LoggedTransitions, columns: Floats) -> Floats:
    """Return the inner products of all columns within each episode, (E, K, K)."""
    episodes = np.split(columns, data.starts[1:])
    return np.stack([part.T @ part for part in episodes])


def _from_products(products: Floats) -> Floats:
    """Return distances from inner products (..., K, K)."""
    own = np.diagonal(products, axis1=-2, axis2=-1)
    return _distance(products, own[..., :, None], own[..., None, :])


def _distance(product: Floats, first: Floats, second: Floats) -> Floats:
    """Return √((1 - cos)/2) from an inner product and the squares of both norms."""
    size = np.sqrt(first * second)
    cosine = np.divide(product, size, out=np.zeros(size.shape), where=size > 0.0)
    return np.sqrt((1.0 - np.clip(cosine, -1.0, 1.0)) / 2.0)


def _without(hidden: Bools, values: Floats) -> Floats:
    return np.where(hidden[:, None] | hidden[None, :], np.nan, values)


def _check_columns(rewards: Floats) -> None:
    if rewards.ndim != 2 or 0 in rewards.shape:
        raise ValueError(f"rewards must have the shape (N, K), not {rewards.shape}")
