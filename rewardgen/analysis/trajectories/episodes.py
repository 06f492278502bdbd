"""Episodes as arrays: what every analysis of trajectories reads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Episodes:
    """E episodes in arrays as long as the longest, T control steps; behind an end they are NaN.

    Attributes:
        policy: number of the policy that acted, (E,).
        eval_seed: what each episode's random numbers follow from.
        length: control steps, (E,).
        cause: why each ended.
        early: whether that was before its time, (E,).
        fitness: the ranking metric, in its own unit, (E,).
        sign: 1 if more of it is better, else -1.
        success: which episodes succeeded, (E,); None where success means nothing.
        reward: per control step, (E, T).
        terms: its terms, (E, T) each.
        progress: the value of the ranking metric at each step, larger is better, (E, T).
        action: as applied, (E, T, A) in [-1, 1]; (E, T) if discrete.
        features: quantities after each step, (E, T, F).
        names: of the quantities.
        control_dt_s: length of a control step.
        nominal_steps: length of an episode that does not end early.
    """

    policy: Int[np.ndarray, " E"]
    eval_seed: tuple[int, ...]
    length: Int[np.ndarray, " E"]
    cause: tuple[str, ...]
    early: Bool[np.ndarray, " E"]
    fitness: Float[np.ndarray, " E"]
    sign: float
    success: Bool[np.ndarray, " E"] | None
    reward: Float[np.ndarray, "E T"]
    terms: dict[str, Floats]
    progress: Float[np.ndarray, "E T"]
    action: Shaped[np.ndarray, "E T ..."]
    features: Float[np.ndarray, "E T F"]
    names: tuple[str, ...]
    control_dt_s: float
    nominal_steps: int

    def __len__(self) -> int:
        return len(self.length)

    @property
    def returns(self) -> Float[np.ndarray, " E"]:
        """The reward's sum over each episode."""
        return np.nansum(self.reward, axis=1)

    @property
    def played(self) -> Bool[np.ndarray, "E T"]:
        """Which steps belong to an episode."""
        ends: NDArray[np.int64] = self.length
        return np.arange(int(self.reward.shape[1])) < ends[:, None]


def too_few(what: str, needed: int, found: int, remedy: str = "play more: --episodes") -> str:
    """Say that a statistic needs more than there is."""
    return f"needs at least {needed} {what}, has {found}; {remedy}"
