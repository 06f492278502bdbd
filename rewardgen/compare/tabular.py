"""Distances between rewards of a finite MDP, exact: the ground that sampled ones stand on.

Two rewards that differ by a scale > 0, by potential shaping γΦ(s') - Φ(s) (Ng et al., 1999) or by
what averages out over next states rank all policies alike. A canonicalizer c maps such rewards to
one; their distance is that of what is left, as in Skalse et al., "STARC: A General Framework For
Quantifying Differences Between Reward Functions", 2024:

    d(R₁, R₂) = ½ ‖c(R₁)/‖c(R₁)‖ - c(R₂)/‖c(R₂)‖‖ = √((1 - cos)/2), in [0, 1]

0: the same ranking of policies; 1: the opposite one. ``val`` and ``min_l2`` remove all three
differences. ``epic``, ``dard`` and ``val_potential`` remove shaping but not what averages out over
next states, so they are here to be measured against, not to be used.

Rewards and transitions are arrays (S, A, S) over state, action, next state; norms weigh all
transitions alike, policies are uniform. A terminal state is one that every action leads back to
(``transition[s, :, s] == 1``) and that pays nothing (``reward[s] == 0``): its value is then 0, as
that of a state after which nothing comes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

# ‖c(R)‖ below this share of what c was computed from is rounding
NOTHING = 1e-9


def distance(
    r1: ArrayLike, r2: ArrayLike, transition: ArrayLike, gamma: float, method: str
) -> float:
    """Return the distance of two rewards, in [0, 1].

    A reward of which nothing is left (pure shaping, a constant) ranks all policies alike: its
    distance to another such is 0, to any other reward ½.

    Args:
        r1: reward, (S, A, S).
        r2: reward, (S, A, S).
        transition: probability of the next state, (S, A, S).
        gamma: discount factor in [0, 1).
        method: ``val``, ``min_l2``, ``epic``, ``dard`` or ``val_potential``.

    Raises:
        ValueError: unknown method, wrong shapes, numbers that are not finite, transitions that
            are no probabilities, gamma outside [0, 1).
    """
    if method not in CANONICALIZERS:
        raise ValueError(f"unknown method {method!r}; choose from {', '.join(CANONICALIZERS)}")
    canonicalize = CANONICALIZERS[method]
    moves = np.asarray(transition, np.float64)
    first, second = (
        _standardized(canonicalize(r, moves, gamma), _size(r, moves, method))
        for r in (np.asarray(r1, np.float64), np.asarray(r2, np.float64))
    )
    return min(1.0, 0.5 * _norm(first - second))


def val(reward: Floats, transition: Floats, gamma: float) -> Floats:
    """Return the advantage of the uniform policy π, for every next state alike, (S, A, S).

    c(R)(s, a, ·) = E[R(s, a, S') + γV(S') - V(s)] with V = (I - γT^π)⁻¹ R^π. "VAL" in Skalse et
    al., 2024.

    Raises:
        ValueError: as ``distance``.
    """
    _check(reward, transition, gamma)
    value = uniform_value(reward, transition, gamma)
    expected = _expected(reward, transition)
    return _over_next_states(expected + gamma * transition @ value - value[:, None])


def min_l2(reward: Floats, transition: Floats, gamma: float) -> Floats:
    """Return what shaping leaves at the smallest norm, for every next state alike, (S, A, S).

    c(R)(s, a, ·) = r + Fθ with r = E[R | s, a], F(s, a; z) = γT(z | s, a) - 1[s = z] and θ the
    potential for which Σ (r + Fθ)² is least. "Minimal" in Skalse et al., 2024, of the L2 norm.

    Raises:
        ValueError: as ``distance``.
    """
    _check(reward, transition, gamma)
    states, actions, _ = reward.shape
    shaping = gamma * transition - np.eye(states)[:, None, :]
    basis = shaping.reshape(states * actions, states)
    expected = _expected(reward, transition).reshape(-1)
    theta = np.linalg.lstsq(basis, -expected, rcond=None)[0]
    return _over_next_states((expected + basis @ theta).reshape(states, actions))


def epic(reward: Floats, transition: Floats, gamma: float) -> Floats:
    """Return the canonically shaped reward of EPIC, (S, A, S), for uniform states and actions.

    c(R)(s, a, s') = R + E[γR(s', A, S') - R(s, A, S') - γR(S, A, S')], with all draws independent
    of the dynamics. Its mean is 0, so the distance is EPIC's Pearson distance √((1 - ρ)/2).
    Gleave et al., "Quantifying Differences in Reward Functions", 2021.

    Raises:
        ValueError: as ``distance``.
    """
    _check(reward, transition, gamma)
    mean = reward.mean(axis=(1, 2))
    return reward + gamma * mean - mean[:, None, None] - gamma * reward.mean()


def dard(reward: Floats, transition: Floats, gamma: float) -> Floats:
    """Return the dynamics-aware shaped reward, (S, A, S), for uniform actions.

    c(R)(s, a, s') = R + E[γR(s', A, S'') - R(s, A, S') - γR(S', A, S'')], S' ~ T(s, A),
    S'' ~ T(s', A). Wulfe et al., "Dynamics-Aware Comparison of Learned Reward Functions", 2022.

    Raises:
        ValueError: as ``distance``.
    """
    _check(reward, transition, gamma)
    mean = _expected(reward, transition).mean(axis=1)
    crossed = np.zeros(reward.shape[::2])
    for by_action, moves in zip(reward.swapaxes(0, 1), transition.swapaxes(0, 1), strict=True):
        crossed += moves @ by_action @ moves.T / reward.shape[1]
    return reward + gamma * mean - mean[:, None, None] - gamma * crossed[:, None, :]


def val_potential(reward: Floats, transition: Floats, gamma: float) -> Floats:
    """Return R + γV(s') - V(s), (S, A, S), with the value V of the uniform policy.

    Raises:
        ValueError: as ``distance``.
    """
    _check(reward, transition, gamma)
    value = uniform_value(reward, transition, gamma)
    return reward + gamma * value - value[:, None, None]


CANONICALIZERS: dict[str, Callable[[Floats, Floats, float], Floats]] = {
    "val": val,
    "min_l2": min_l2,
    "epic": epic,
    "dard": dard,
    "val_potential": val_potential,
}
"""Method → its canonicalizer: (reward, transition, gamma) → what is left of the reward."""


def uniform_value(reward: Floats, transition: Floats, gamma: float) -> Floats:
    """Return V of the policy that takes all actions alike, (S,), from its linear equations."""
    paid: Floats = np.mean(_expected(reward, transition), axis=1)
    moves: Floats = np.mean(transition, axis=1)
    return np.asarray(np.linalg.solve(np.eye(len(paid)) - gamma * moves, paid), np.float64)


def _expected(reward: Floats, transition: Floats) -> Floats:
    return np.sum(transition * reward, axis=2)


def _over_next_states(values: Floats) -> Floats:
    return np.repeat(values[:, :, None], len(values), axis=2)


def _norm(values: Floats) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def _size(reward: Floats, transition: Floats, method: str) -> float:
    """Return the norm of what a canonicalizer reads of a reward.

    The two that take expectations see nothing of a transition that never happens.
    """
    if method in ("val", "min_l2"):
        return float(np.sqrt(np.mean(_expected(np.square(reward), transition))))
    return _norm(reward)


def _standardized(canonical: Floats, size: float) -> Floats:
    norm = _norm(canonical)
    return canonical / norm if norm > NOTHING * size else np.zeros_like(canonical)


def _check(reward: Floats, transition: Floats, gamma: float) -> None:
    """Raise ValueError for what is no reward of an MDP."""
    shape = np.shape(transition)
    if len(shape) != 3 or shape[0] != shape[2] or 0 in shape:
        raise ValueError(f"transition must have the shape (S, A, S), not {shape}")
    if np.shape(reward) != shape:
        raise ValueError(
            f"a reward must have the shape of the transitions, {shape}, not {np.shape(reward)}"
        )
    if not 0.0 <= gamma < 1.0:
        raise ValueError(f"gamma must be in [0, 1), not {gamma}")
    if not np.all(np.isfinite(reward)):
        raise ValueError("a reward has numbers that are not finite")
    if not np.all(transition >= 0.0):
        raise ValueError("transitions must be probabilities, and some are negative or NaN")
    sums = transition.sum(axis=2)
    state, action = np.unravel_index(int(np.argmax(np.abs(sums - 1.0))), sums.shape)
    if abs(sums[state, action] - 1.0) > 1e-6:
        raise ValueError(
            f"the probabilities of all next states must sum to 1; after action {action} in state "
            f"{state} they sum to {sums[state, action]:g}"
        )
