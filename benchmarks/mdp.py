"""Small random MDPs, solved exactly: what distances between rewards should say is known there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Policy = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Mdp:
    """States, actions and what they lead to, without a reward; every state is a start alike.

    Attributes:
        transition: (S, A, S).
        gamma: discount factor.
    """

    transition: Floats
    gamma: float

    def optimal(self, reward: Floats) -> Policy:
        """Return the best action in each state, (S,), by policy iteration."""
        paid = self.expected(reward)
        policy = paid.argmax(axis=1)
        while True:
            q = self.action_values(reward, policy)
            # what is as good to the last digits is kept, else rounding could go in circles
            kept = np.take_along_axis(q, policy[:, None], axis=1)[:, 0] >= q.max(axis=1) - 1e-11
            better = np.where(kept, policy, q.argmax(axis=1))
            if np.array_equal(better, policy):
                return policy
            policy = better

    def action_values(self, reward: Floats, policy: Policy) -> Floats:
        """Return Q of a policy, (S, A)."""
        return self.expected(reward) + self.gamma * self.transition @ self.value(reward, policy)

    def value(self, reward: Floats, policy: Policy) -> Floats:
        """Return V of a policy, (S,)."""
        states = np.arange(len(policy))
        moves, paid = self.transition[states, policy], self.expected(reward)[states, policy]
        return np.linalg.solve(np.eye(len(policy)) - self.gamma * moves, paid)

    def expected(self, reward: Floats) -> Floats:
        """Return E[R | s, a], (S, A)."""
        return np.einsum("san,san->sa", self.transition, reward)

    def regret(self, reward: Floats, other: Floats) -> float:
        """Return what the other reward's best policy loses under a reward.

        0 for a best policy, 1 for a worst one.
        """
        best, worst, found = (
            self.value(reward, self.optimal(r)).mean() for r in (reward, -reward, other)
        )
        return float((best - found) / (best - worst))


def random_mdp(
    generator: np.random.Generator, states: int, actions: int, successors: int, gamma: float
) -> Mdp:
    """Draw an MDP in which an action leads to ``successors`` random states, not all alike."""
    odds = generator.normal(size=(states, actions, states))
    least = np.sort(odds, axis=2)[..., [-successors]]
    odds = np.where(odds >= least, np.exp(odds), 0.0)
    return Mdp(odds / odds.sum(axis=2, keepdims=True), gamma)


def random_reward(generator: np.random.Generator, mdp: Mdp) -> Floats:
    """Draw a reward with independent normal numbers, (S, A, S)."""
    return generator.normal(size=mdp.transition.shape)


def random_shaping(generator: np.random.Generator, mdp: Mdp, size: float) -> Floats:
    """Draw γΦ(s') - Φ(s) with normal potentials of a size, (S, 1, S)."""
    potential = size * generator.normal(size=len(mdp.transition))
    return mdp.gamma * potential - potential[:, None, None]


def random_redistribution(generator: np.random.Generator, mdp: Mdp, size: float) -> Floats:
    """Draw numbers of a size that average out over next states, (S, A, S)."""
    noise = size * generator.normal(size=mdp.transition.shape)
    return noise - mdp.expected(noise)[:, :, None]
