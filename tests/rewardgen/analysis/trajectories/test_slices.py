"""Slices of rewards that can be computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from rewardgen.analysis.trajectories.episodes import Floats
from rewardgen.analysis.trajectories.slices import POINTS, slices

LED_TO = np.array([[0.0, 1.0, 5.0], [1.0, 3.0, 5.0]])
LOW, HIGH = np.array([-1.0, 0.0, 5.0]), np.array([1.0, 4.0, 5.0])


def pay(rows: Floats) -> Floats:
    return rows[:, 0] ** 2 + 10.0 * rows[:, 1] + rows[:, 0] * rows[:, 1]


def test_a_slice_is_the_mean_over_the_steps() -> None:
    found = slices(LED_TO, LOW, HIGH, ["a", "b", "c"], pay)
    b, a = found.lines
    assert (b.name, a.name) == ("b", "a")
    np.testing.assert_allclose(b.values, np.linspace(0.0, 4.0, POINTS))
    # a is 0 and 1 in the two steps: the mean of a² is 1/2, that of a · b is b/2
    np.testing.assert_allclose(b.reward, 0.5 + 10.5 * b.values)
    # b is 1 and 3: its mean is 2
    np.testing.assert_allclose(a.reward, a.values**2 + 20.0 + 2.0 * a.values)
    assert b.reach == pytest.approx(42.0)


def test_a_plane_goes_over_the_two_that_matter_most() -> None:
    plane = slices(LED_TO, LOW, HIGH, ["a", "b", "c"], pay).plane
    assert plane is not None and (plane.x.name, plane.y.name) == ("b", "a")
    for row, a in zip(plane.reward, plane.y.values, strict=True):
        np.testing.assert_allclose(row, a**2 + (10.0 + a) * plane.x.values)


def test_what_never_varied_or_has_no_name_is_left_out() -> None:
    found = slices(LED_TO, LOW, HIGH, ["a", "", "c"], pay)
    assert [line.name for line in found.lines] == ["a"] and found.plane is None


def test_a_constant_reward_has_no_slices() -> None:
    found = slices(LED_TO, LOW, HIGH, ["a", "b", "c"], lambda rows: np.ones(len(rows)))
    assert found.lines == () and found.plane is None
    assert slices(LED_TO, HIGH, HIGH, ["a", "b", "c"], pay).lines == ()
