"""Functions of the state of which potentials are made: 1, columns, curves of them, random waves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rewardgen.compare.logged import Floats, Ints, LoggedTransitions

Features = Callable[[Floats], Floats]
"""States (N, D) → features (N, d)."""

FOURIER = 128
"""Fourier features: more leave less of a shaping that is no linear function, and cost d²."""
SCALES = (0.5, 1.0, 2.0)
"""Widths of the Fourier features, of the median distance between states."""
PAIRS = 2_000


@dataclass(frozen=True, eq=False)
class Standardizer:
    """Columns of a state with mean 0 and spread 1; columns that never change are left out.

    Attributes:
        kept: indices of the columns, (K,).
        mean: of them, (K,).
        spread: their standard deviation, (K,).
    """

    kept: Ints
    mean: Floats
    spread: Floats

    def __call__(self, states: Floats) -> Floats:
        """Return (N, K) of states (N, D)."""
        return (states[:, self.kept] - self.mean) / self.spread


@lru_cache(maxsize=1)
def standardizer(data: LoggedTransitions) -> Standardizer:
    """Return the standardizer of the states of a log, before and after actions.

    That of the latest log is kept: features and potentials need the same.
    """
    states = np.concatenate([data.state, data.next_state])
    spread = states.std(axis=0)
    kept = np.flatnonzero(spread > 1e-9 * np.abs(states).max(axis=0))
    return Standardizer(kept, states[:, kept].mean(axis=0), spread[kept])


@dataclass(frozen=True, eq=False)
class FourierFeatures:
    """Ψ(s) = [1, z, √2 cos(zΩ + φ)] with standardized columns z, (N, 1 + K + M).

    Attributes:
        standardize: states → z.
        frequencies: Ω, (K, M).
        phases: φ, (M,).
    """

    standardize: Standardizer
    frequencies: Floats
    phases: Floats

    def __call__(self, states: Floats) -> Floats:
        """Return (N, 1 + K + M) of states (N, D)."""
        z = self.standardize(states)
        waves = np.sqrt(2.0) * np.cos(z @ self.frequencies + self.phases)
        return np.concatenate([np.ones((len(z), 1)), z, waves], axis=1)


def fourier_features(data: LoggedTransitions, seed: int, count: int = FOURIER) -> FourierFeatures:
    """Draw the features of a log.

    Rahimi and Recht, "Random Features for Large-Scale Kernel Machines", 2007: frequencies are
    normal, with the inverse of a kernel's width as their spread. The widths are those of
    ``SCALES`` in turn.

    Args:
        data: its states set the scales.
        seed: of the draws; the same features for the same log and seed.
        count: Fourier features, M.
    """
    generator = np.random.default_rng(seed)
    standardize = standardizer(data)
    z = standardize(data.state)
    width = _median_distance(z, generator) * np.resize(SCALES, count)
    frequencies = generator.normal(size=(z.shape[1], count)) / width
    phases = generator.uniform(0.0, 2.0 * np.pi, count)
    return FourierFeatures(standardize, frequencies, phases)


CURVED_FOURIER = 64
MOST_CURVED = 320
"""Features in all, beyond which no further curves of the columns are taken: they cost d²."""
_CURVES: tuple[tuple[Features, ...], ...] = (
    (lambda z: np.square(np.clip(z, -8.0, 8.0)), np.abs),
    (np.cos, np.sin),
    (lambda z: np.cos(2.0 * z), lambda z: np.sin(2.0 * z)),
)


@dataclass(frozen=True, eq=False)
class CurvedFeatures:
    """Fourier features, and curves of every standardized column alone, (N, d).

    What people shape with is mostly a sum of functions of one quantity each: a height, an angle,
    a distance. Random waves across all columns reach those slowly.

    Attributes:
        waves: 1, the columns, and waves across them.
        curves: functions of a column.
    """

    waves: FourierFeatures
    curves: tuple[Features, ...]

    @property
    def count(self) -> int:
        """How many features, d."""
        columns, waves = self.waves.frequencies.shape
        return 1 + columns * (1 + len(self.curves)) + waves

    def __call__(self, states: Floats) -> Floats:
        """Return (N, d) of states (N, D)."""
        z = self.waves.standardize(states)
        return np.concatenate([self.waves(states), *(curve(z) for curve in self.curves)], axis=1)


def curved_features(data: LoggedTransitions, seed: int) -> CurvedFeatures:
    """Draw the features that rewards of a simulation are compared with.

    Args:
        data: its states set the scales.
        seed: of the draws.
    """
    waves = fourier_features(data, seed, CURVED_FOURIER)
    made = CurvedFeatures(waves, ())
    for pair in _CURVES:
        richer = CurvedFeatures(waves, (*made.curves, *pair))
        if richer.count > min(MOST_CURVED, len(data) // 4):
            break
        made = richer
    return made


def held_out_potentials(data: LoggedTransitions, seed: int, count: int) -> Features:
    """Draw smooth random potentials of another kind than the features, (N, count).

    Each is a sum of eight hyperbolic tangents of random projections of the standardized columns.
    """
    generator = np.random.default_rng(seed)
    standardize = standardizer(data)
    columns, units = len(standardize.kept), 8
    slopes = 2.0 * generator.normal(size=(columns, count * units)) / max(1.0, columns**0.5)
    shifts = generator.normal(size=count * units)
    signs = generator.normal(size=(count, units))

    def potentials(states: Floats) -> Floats:
        hidden = np.tanh(standardize(states) @ slopes + shifts)
        return np.einsum("ncu,cu->nc", hidden.reshape(len(states), count, units), signs)

    return potentials


def _median_distance(z: Floats, generator: np.random.Generator) -> float:
    """Return the median distance of random pairs of rows; 1 where most are the same state."""
    first, second = generator.integers(0, len(z), (2, PAIRS))
    distances: NDArray[np.float64] = np.sqrt(np.square(z[first] - z[second]).sum(axis=1))
    return float(np.median(distances)) or 1.0
