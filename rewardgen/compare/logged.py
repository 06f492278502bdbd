"""Logged transitions: what rewards are compared on when dynamics are a simulator's.

Plain arrays, of no simulator in particular. A reward is a column of numbers beside them, one per
transition; it need not be computable anywhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class LoggedTransitions:
    """N transitions in E episodes, each episode's rows together and in the order of time.

    What a reward remembers must be in the state: a term of the change of an action, or of time
    spent in the air, is a function of (state, action, next state) only if the last action, or the
    time, is among the columns.

    Attributes:
        state: before the action, with history variables, (N, D).
        next_state: after it; the true last state where the episode ends, (N, D).
        terminated: the episode ended for good: nothing comes after, (N,).
        truncated: it was cut off: the state has a future that was not simulated, (N,).
        episode: number of the episode, (N,).
        source: who acted, as an index into ``sources``; one per episode, (N,).
        sources: names of the policies, such as random, a checkpoint, a reference.
        discount: γ in [0, 1).

    Raises:
        ValueError: on construction, for what is no log of whole episodes.
    """

    state: Floats
    next_state: Floats
    terminated: Bools
    truncated: Bools
    episode: Ints
    source: Ints
    sources: tuple[str, ...]
    discount: float

    def __post_init__(self) -> None:
        """Raise ValueError for what is no log of whole episodes."""
        self._check_shapes()
        if not 0.0 <= self.discount < 1.0:
            raise ValueError(f"the discount must be in [0, 1), not {self.discount}")
        for name, states in (("state", self.state), ("next_state", self.next_state)):
            if not np.all(np.isfinite(states)):
                row = int(np.argmin(np.isfinite(states).all(axis=1)))
                raise ValueError(f"{name} of transition {row} is not finite")
        if len(np.unique(self.episode)) != len(self.starts):
            raise ValueError("the transitions of an episode must be together")
        last = np.zeros(len(self), dtype=bool)
        last[self.starts[1:] - 1] = last[-1] = True
        if np.any((self.terminated | self.truncated) & ~last):
            row = int(np.argmax((self.terminated | self.truncated) & ~last))
            raise ValueError(f"episode {self.episode[row]} goes on after it ended")
        self._check_sources()

    def _check_shapes(self) -> None:
        if self.state.ndim != 2 or 0 in self.state.shape:
            raise ValueError(f"state must have the shape (N, D), not {self.state.shape}")
        if self.next_state.shape != self.state.shape:
            raise ValueError(
                f"next_state must have the shape of state, {self.state.shape}, not "
                f"{self.next_state.shape}"
            )
        for name in ("terminated", "truncated", "episode", "source"):
            shape = getattr(self, name).shape
            if shape != (len(self),):
                raise ValueError(f"{name} must have the shape ({len(self)},), not {shape}")

    def _check_sources(self) -> None:
        found = set(np.unique(self.source).tolist())
        if found != set(range(len(self.sources))):
            raise ValueError(
                f"every source must have transitions, and every transition a source: there are "
                f"{len(self.sources)} names, and the indices {sorted(found)}"
            )
        if np.any(self.source != np.repeat(self.episode_source, self.lengths)):
            raise ValueError("an episode must have one source")

    def __len__(self) -> int:
        return len(self.state)

    @cached_property
    def starts(self) -> Ints:
        """Row of each episode's first transition, (E,)."""
        return np.flatnonzero(np.diff(self.episode, prepend=self.episode[0] - 1))

    @cached_property
    def lengths(self) -> Ints:
        """Transitions of each episode, (E,)."""
        return np.diff(self.starts, append=len(self))

    @cached_property
    def episode_source(self) -> Ints:
        """Source of each episode, (E,)."""
        return self.source[self.starts]

    @cached_property
    def weights(self) -> Floats:
        """Weight of each transition, (N,): all sources count alike, and the mean is 1."""
        rows = np.bincount(self.source)
        return (len(self) / (len(rows) * rows))[self.source]
