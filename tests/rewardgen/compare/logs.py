"""Logs to compare rewards on: a double integrator, and MDPs whose states are counted out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.mdp import Mdp
from rewardgen.compare.logged import LoggedTransitions

Floats = NDArray[np.float64]


def double_integrator(
    episodes: int, steps: int, seed: int, *, limit_m: float = 1.5, gamma: float = 0.97
) -> LoggedTransitions:
    """Roll out position and velocity, half by random pushes, half by a controller.

    An episode terminates beyond ``limit_m``, else it is truncated.
    """
    generator = np.random.default_rng(seed)
    rows: list[tuple[Floats, Floats, bool, bool, int]] = []
    for episode in range(episodes):
        state = generator.uniform(-1.0, 1.0, 2)
        gains = generator.uniform(0.0, 2.0, 2) * (episode % 2)
        for step in range(steps):
            push = np.clip(generator.normal(0.0, 0.7) - gains @ state, -1.0, 1.0)
            after = state + 0.1 * np.array([state[1], push])
            ended = bool(abs(after[0]) > limit_m)
            rows.append((state, after, ended, step == steps - 1 and not ended, episode))
            state = after
            if ended:
                break
    before, after, terminated, truncated, episode = zip(*rows, strict=True)
    numbers = np.array(episode)
    return LoggedTransitions(
        state=np.stack(before),
        next_state=np.stack(after),
        terminated=np.array(terminated),
        truncated=np.array(truncated),
        episode=numbers,
        source=numbers % 2,
        sources=("random", "controller"),
        discount=gamma,
    )


def counted_out(transition: Floats, gamma: float, copies: int) -> LoggedTransitions:
    """List each state and action with its next states as often as they happen, of ``copies``.

    The probabilities must be multiples of 1 / copies. Every transition is an episode.
    """
    counts = np.rint(transition * copies).astype(np.int64)
    assert np.allclose(counts, transition * copies)
    states, actions, after = np.indices(counts.shape)
    chosen = [np.repeat(index.ravel(), counts.ravel()) for index in (states, actions, after)]
    ends = np.zeros(len(chosen[0]), dtype=bool)
    return LoggedTransitions(
        state=np.stack(chosen[:2], axis=1).astype(np.float64),
        next_state=np.stack([chosen[2], np.zeros_like(chosen[2])], axis=1).astype(np.float64),
        terminated=ends,
        truncated=~ends,
        episode=np.arange(len(ends)),
        source=np.zeros(len(ends), dtype=np.int64),
        sources=("all",),
        discount=gamma,
    )


def one_hot(states: int) -> NDArray[np.float64]:
    """Return one row per state."""
    return np.eye(states)


def rounded_mdp(generator: np.random.Generator, mdp: Mdp, copies: int) -> Mdp:
    """Return an MDP with probabilities that are multiples of 1 / copies."""
    drawn = generator.multinomial(copies, mdp.transition)
    return Mdp(drawn / copies, mdp.gamma)
