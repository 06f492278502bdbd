"""Axes that a reward reads, and those that it names."""

from __future__ import annotations

import pytest

from rewardgen.check.axes import axis_of, exchanges, misnamed, unasked, unread_components
from rewardgen.check.reading import Reading
from rewardgen.rewards.format import parse_reward
from tests.rewardgen.check.toys import TABLE, source


def reading(text: str) -> Reading:
    return Reading(parse_reward(source([*text.split("\n"), "return r, {}"])))


@pytest.mark.parametrize(
    ("name", "axis"),
    [
        ("forward_velocity", 0),
        ("torso_velocity_z", 2),
        ("sideways_velocity", 1),
        ("head_height", 2),
        ("torso_up", None),
        ("forward_height", None),
    ],
)
def test_the_axis_of_a_name(name: str, axis: int | None) -> None:
    assert axis_of(name) == axis


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("h = next_state.hand\nr = h[:, :2].norm(dim=1) + h[:, 2]", 0),
        ("h = next_state.hand\nr = h[:, 1:].norm(dim=1) + h[:, 2]", 1),
        ("h = next_state.hand - state.hand\nr = h[:, ::2].norm(dim=1) + h[:, 0]", 1),
        ("r = next_state.hand[:, 0] + next_state.hand[:, -3]", 1),
        ("r = next_state.hand[:, 1:].norm(dim=1)", 0),
        ("r = next_state.hand[:, 0] - state.hand[:, 0]", 0),
        ("h = next_state.hand\nr = h[:, 0] + h[:, 0] + h.norm(dim=1)", 0),
        ("h = next_state.hand\ni = 1\nr = h[:, 0] + h[:, 0] + h[:, i]", 0),
    ],
)
def test_components_that_are_read_twice_and_never(text: str, found: int) -> None:
    assert len(list(unread_components(reading(text), TABLE))) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("forward = next_state.sideways_velocity\nr = forward", 1),
        ("forward = next_state.forward_velocity\nr = forward", 0),
        ("height = next_state.hand[:, 0]\nr = height", 1),
        ("height = next_state.hand[:, 2]\nr = height", 0),
        # what names no axis may be any
        ("forward = next_state.goal_distance\nr = forward", 0),
        ("forward = next_state.hand.norm(dim=1)\nr = forward", 0),
    ],
)
def test_names_of_another_axis(text: str, found: int) -> None:
    assert len(list(misnamed(reading(text), TABLE))) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("r = next_state.sideways_velocity", 1),
        ("r = next_state.forward_velocity", 0),
        ("r = next_state.goal_distance", 0),
    ],
)
def test_an_axis_that_the_sentence_asks_for(text: str, found: int) -> None:
    slips = list(unasked(reading(text), TABLE, "Run forward as fast as possible."))
    assert len(slips) == found
    assert not list(unasked(reading(text), TABLE, "Run as fast as possible."))


def test_exchanges_are_of_one_unit() -> None:
    found = {e.words for e in exchanges(TABLE, ["hand", "forward_velocity", "pitch"])}
    assert found == {
        "x and y of 'hand'",
        "x and z of 'hand'",
        "y and z of 'hand'",
        "'forward_velocity' and 'sideways_velocity'",
    }
