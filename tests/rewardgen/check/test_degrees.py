"""Degrees where features are in radians."""

from __future__ import annotations

import pytest

from rewardgen.check.degrees import Degrees
from rewardgen.check.reading import Reading
from rewardgen.rewards.format import parse_reward
from tests.rewardgen.check.toys import TABLE, source

LARGEST = {"pitch": 1.5, "goal_distance": 3.0}


def slips(text: str) -> list[tuple[int, str]]:
    reading = Reading(parse_reward(source(text.split("\n"))))
    return [(s.line, s.feature) for s in Degrees(reading, TABLE, LARGEST).slips()]


@pytest.mark.parametrize(
    "text",
    [
        "p = torch.deg2rad(next_state.pitch)",
        "p = torch.rad2deg(next_state.pitch)",
        "p = next_state.pitch.rad2deg()",
        "p = next_state.pitch * 57.3",
        "p = next_state.pitch * (180.0 / math.pi)",
        "p = next_state.pitch * 180.0 / math.pi",
        "p = 180.0 * next_state.pitch.abs() / math.pi",
        "p = next_state.pitch / math.pi * 180.0",
        "p = next_state.pitch * math.pi / 180.0 * 0 + (next_state.pitch / 57.29578)",
        "p = tolerance(next_state.pitch, bounds=(-5.0, 5.0), margin=30.0)",
        "p = tolerance(next_state.pitch, (-5.0, 5.0), 30.0)",
        "p = next_state.pitch.abs().clamp(max=45.0)",
        "p = torch.clamp(next_state.pitch, -45.0, 45.0)",
        "p = exp_kernel(next_state.pitch - state.pitch, 20.0)",
        "p = (next_state.pitch.abs() > 15.0).float()",
        "p = next_state.pitch / 45.0",
    ],
)
def test_degrees_are_found(text: str) -> None:
    assert slips(f"{text}\nreturn p, {{}}") == [(2, "pitch")]


def test_names_are_followed() -> None:
    text = "limit = 30.0\np = next_state.pitch\nq = p.clamp(-limit, limit)\nreturn q, {}"
    assert slips(text) == [(4, "pitch")]


@pytest.mark.parametrize(
    "text",
    [
        "p = tolerance(next_state.pitch, bounds=(-0.1, 0.1), margin=0.6)",
        "p = (next_state.pitch.abs() > math.radians(15.0)).float()",
        "p = next_state.pitch / math.pi",
        "p = next_state.pitch / (2.0 * math.pi)",
        "p = 2.0 * next_state.pitch / math.pi",
        "p = 10.0 * next_state.pitch**2",
        "p = -200.0 * next_state.pitch.abs()",
        "p = tolerance(next_state.goal_distance, (0.0, 5.0), 30.0)",
        "p = torch.cos(next_state.pitch) * 57.3",
        # far beyond what was seen, but so would be as many degrees
        "p = next_state.pitch.clamp(-1000.0, 1000.0)",
    ],
)
def test_radians_are_left_alone(text: str) -> None:
    assert slips(f"{text}\nreturn p, {{}}") == []
