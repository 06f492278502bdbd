"""Logs of transitions, and the features of their states."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from rewardgen.compare.features import FOURIER, fourier_features, held_out_potentials, standardizer
from rewardgen.compare.logged import LoggedTransitions


@pytest.fixture
def log() -> LoggedTransitions:
    """Three episodes of 2, 3 and 1 transitions; the second terminates, the third goes on."""
    return LoggedTransitions(
        state=np.arange(12.0).reshape(6, 2),
        next_state=np.arange(12.0).reshape(6, 2) + 1.0,
        terminated=np.array([0, 0, 0, 0, 1, 0], dtype=bool),
        truncated=np.array([0, 1, 0, 0, 0, 0], dtype=bool),
        episode=np.array([7, 7, 3, 3, 3, 9]),
        source=np.array([0, 0, 1, 1, 1, 1]),
        sources=("random", "checkpoint"),
        discount=0.9,
    )


def test_episodes_are_found(log: LoggedTransitions) -> None:
    assert log.starts.tolist() == [0, 2, 5]
    assert log.lengths.tolist() == [2, 3, 1]
    assert log.episode_source.tolist() == [0, 1, 1]


def test_sources_weigh_the_same_and_weights_have_mean_one(log: LoggedTransitions) -> None:
    assert log.weights == pytest.approx([1.5, 1.5, 0.75, 0.75, 0.75, 0.75])
    assert log.weights.mean() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"discount": 1.0}, r"discount must be in \[0, 1\), not 1.0"),
        ({"state": np.zeros(6)}, r"\(N, D\), not \(6,\)"),
        ({"state": np.zeros((0, 2))}, r"\(N, D\), not \(0, 2\)"),
        ({"next_state": np.zeros((6, 3))}, r"\(6, 2\), not \(6, 3\)"),
        ({"terminated": np.zeros(5, dtype=bool)}, r"terminated must have the shape \(6,\)"),
        ({"episode": np.array([7, 7, 3, 3, 7, 9])}, "must be together"),
        ({"terminated": np.array([1, 0, 0, 0, 0, 0], dtype=bool)}, "episode 7 goes on"),
        ({"truncated": np.array([0, 0, 0, 1, 0, 0], dtype=bool)}, "episode 3 goes on"),
        ({"source": np.array([0, 1, 1, 1, 1, 1])}, "an episode must have one source"),
        ({"source": np.array([0, 0, 2, 2, 2, 2])}, r"the indices \[0, 2\]"),
        ({"sources": ("random", "checkpoint", "human")}, "3 names"),
    ],
)
def test_what_is_no_log_is_refused(
    log: LoggedTransitions, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        replace(log, **change)


def test_the_transition_that_is_not_finite_is_named(log: LoggedTransitions) -> None:
    broken = log.next_state.copy()
    broken[4, 1] = np.nan
    with pytest.raises(ValueError, match="next_state of transition 4 is not finite"):
        replace(log, next_state=broken)


@pytest.fixture
def wide() -> LoggedTransitions:
    """Columns of very different sizes, and one that never changes."""
    generator = np.random.default_rng(0)
    state = generator.normal(size=(500, 4)) * [1e-3, 1.0, 1e4, 0.0] + [0.0, 3.0, -5e4, 9.81]
    after = state + generator.normal(size=(500, 4)) * [1e-4, 0.1, 1e3, 0.0]
    last = np.arange(500) == 499
    return LoggedTransitions(
        state=state,
        next_state=after,
        terminated=last,
        truncated=np.zeros(500, dtype=bool),
        episode=np.zeros(500, dtype=np.int64),
        source=np.zeros(500, dtype=np.int64),
        sources=("all",),
        discount=0.9,
    )


def test_columns_are_standardized_and_constants_left_out(wide: LoggedTransitions) -> None:
    standardize = standardizer(wide)
    assert standardize.kept.tolist() == [0, 1, 2]
    z = standardize(np.concatenate([wide.state, wide.next_state]))
    assert z.mean(axis=0) == pytest.approx([0.0] * 3, abs=1e-9)
    assert z.std(axis=0) == pytest.approx([1.0] * 3)


def test_features_hold_one_the_columns_and_waves(wide: LoggedTransitions) -> None:
    psi = fourier_features(wide, seed=0)(wide.state)
    assert psi.shape == (500, 1 + 3 + FOURIER)
    assert np.all(psi[:, 0] == 1.0)
    assert np.linalg.matrix_rank(psi) == psi.shape[1]
    # a wave has the square 1 on average, as 1 and the columns have
    assert np.square(psi[:, 4:]).mean() == pytest.approx(1.0, abs=0.1)


def test_features_do_not_depend_on_units(wide: LoggedTransitions) -> None:
    """The same log in millimetres and with another zero."""
    scale, zero = np.array([1e3, 2.0, 1e-3, 5.0]), np.array([1.0, 0.0, -7.0, 2.0])
    other = replace(
        wide, state=wide.state * scale + zero, next_state=wide.next_state * scale + zero
    )
    expected = fourier_features(wide, seed=0)(wide.state)
    assert fourier_features(other, seed=0)(other.state) == pytest.approx(expected, abs=1e-6)


def test_draws_are_seeded(wide: LoggedTransitions) -> None:
    for draw in (fourier_features, held_out_potentials):
        first, again, other = (draw(wide, seed, 16)(wide.state) for seed in (0, 0, 1))
        assert np.array_equal(first, again)
        assert not np.allclose(first, other)


def test_held_out_potentials_are_not_in_the_span(wide: LoggedTransitions) -> None:
    psi = fourier_features(wide, seed=0, count=16)(wide.state)
    held_out = held_out_potentials(wide, 0, 5)(wide.state)
    assert held_out.shape == (500, 5)
    left = held_out - psi @ np.linalg.lstsq(psi, held_out, rcond=None)[0]
    assert np.all(left.std(axis=0) > 0.02 * held_out.std(axis=0))
