"""Everyday words of motion and the kinds of quantities that they call for.

Nothing here knows a task: a rule ties words of a sentence ("forward", "upright", "reach") to a
role that follows from units and words, and to what is wanted of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from rewardgen.design.evolve.words import stem, stems


class Role(StrEnum):
    """What kind of quantity a signal is, from its unit and words."""

    VELOCITY = "velocity"
    RATE = "rate"
    ANGLE = "angle"
    DISTANCE = "distance"
    HEIGHT = "height"
    POSITION = "position"
    EVENT = "event"
    PURE = "pure"
    COUNT = "count"
    OTHER = "other"


class Want(StrEnum):
    """What to want of a signal."""

    MORE = "more"
    LESS = "less"
    NEAR = "near"


def _words(text: str) -> frozenset[str]:
    return frozenset(stems(text))


@dataclass(frozen=True)
class Concept:
    """A rule: these words in the sentence make such a signal wanted so.

    Attributes:
        words: stems, any of which must occur in the sentence.
        roles: what the signal may be.
        want: what to want of it.
        strength: added to the want's weight.
        axis: component of a 3-vector that is meant; such scalar signals must hold a cue.
        cues: stems, one of which a signal must hold if given (a scalar) or if there is no axis.
        unless: stems whose occurrence in the sentence switches the rule off.
    """

    words: frozenset[str]
    roles: frozenset[Role]
    want: Want
    strength: float
    axis: int | None = None
    cues: frozenset[str] = frozenset()
    unless: frozenset[str] = frozenset()


def _concept(
    words: str,
    roles: str,
    want: Want,
    strength: float,
    *,
    axis: int | None = None,
    cues: str = "",
    unless: str = "",
) -> Concept:
    kinds = frozenset(Role(role) for role in roles.split())
    return Concept(_words(words), kinds, want, strength, axis, _words(cues), _words(unless))


TURNING = "flip somersault spin rotate rotation turn twirl roll"
AHEAD = "forward ahead front"
UP = "up height vertical upward"
REACHING = "reach goal target touch approach arrive"
UPRIGHT = "upright balance straight level stand land"
CONCEPTS = (
    _concept("forward ahead", "velocity", Want.MORE, 3.0, axis=0, cues=AHEAD),
    _concept(
        "run walk gallop sprint trot hop drive swim crawl travel",
        "velocity",
        Want.MORE,
        2.0,
        axis=0,
        cues=AHEAD,
        unless=f"backward reverse {REACHING}",
    ),
    _concept(
        "fast speed quick",
        "velocity",
        Want.MORE,
        1.0,
        axis=0,
        cues=AHEAD,
        unless=f"backward reverse {TURNING}",
    ),
    _concept("backward reverse", "velocity", Want.LESS, 3.0, axis=0, cues=AHEAD, unless=TURNING),
    _concept("left", "velocity", Want.MORE, 3.0, axis=1, cues="left lateral sideway"),
    _concept("right sideway", "velocity", Want.LESS, 2.0, axis=1, cues="left lateral sideway"),
    _concept("jump leap hop high fly", "velocity", Want.MORE, 1.5, axis=2, cues=UP),
    _concept("jump leap high lift raise rise stand climb up upright", "height", Want.MORE, 1.5),
    _concept(
        "jump leap high lift raise rise stand climb", "position", Want.MORE, 1.5, axis=2, cues=UP
    ),
    _concept(UPRIGHT, "angle", Want.NEAR, 1.0, cues="upright tilt lean pitch roll torso body"),
    _concept(UPRIGHT, "pure", Want.MORE, 1.0, cues="upright vertical up cosine"),
    _concept(REACHING, "distance", Want.LESS, 3.0, cues="goal target distance error gap"),
    _concept(REACHING, "velocity", Want.MORE, 2.0, cues="goal target toward approach"),
    _concept(REACHING, "event", Want.MORE, 1.0, cues="goal target reach touch"),
    _concept(TURNING, "rate", Want.MORE, 2.0, cues=f"{TURNING} pitch angular yaw"),
    _concept(TURNING, "rate", Want.LESS, 1.0, cues=f"{TURNING} pitch angular yaw"),
    _concept(TURNING, "count angle", Want.MORE, 2.0, cues=f"{TURNING} pitch yaw"),
    _concept(TURNING, "count angle", Want.LESS, 0.7, cues=f"{TURNING} pitch yaw"),
    _concept(TURNING, "height", Want.MORE, 0.7),
    _concept("still stop calm hold steady", "velocity rate", Want.NEAR, 1.5),
    _concept("middle centre center", "position", Want.NEAR, 1.0),
    _concept("land step walk", "event", Want.MORE, 0.3, cues="contact foot ground touch"),
)
# a feature named after, or counted positive in, a direction serves who asks for it
_OPPOSITES = "forward backward left right up down upward downward clockwise counterclockwise"
_PAIRS = [stem(word) for word in _OPPOSITES.split()]
OPPOSITE = dict(zip(_PAIRS, [_PAIRS[i ^ 1] for i in range(len(_PAIRS))], strict=True))
PRIOR: dict[Role, dict[Want, float]] = {
    Role.VELOCITY: {Want.MORE: 0.3, Want.LESS: 0.1, Want.NEAR: 0.3},
    Role.RATE: {Want.MORE: 0.1, Want.LESS: 0.1, Want.NEAR: 0.4},
    Role.ANGLE: {Want.MORE: 0.05, Want.LESS: 0.05, Want.NEAR: 0.6},
    Role.DISTANCE: {Want.LESS: 0.8},
    Role.HEIGHT: {Want.MORE: 0.5, Want.NEAR: 0.1},
    Role.POSITION: {Want.MORE: 0.1, Want.LESS: 0.05, Want.NEAR: 0.35},
    Role.EVENT: {Want.MORE: 0.2, Want.LESS: 0.2},
    Role.PURE: {Want.MORE: 0.35, Want.LESS: 0.15, Want.NEAR: 0.1},
    Role.COUNT: {Want.MORE: 0.7, Want.LESS: 0.1},
    Role.OTHER: {Want.MORE: 0.05, Want.LESS: 0.15},
}


def role_of(name: str, unit: str, description: str) -> Role:
    """Return the role that a feature's unit and words give it."""
    words = set(stems(name))
    more = words | set(stems(description))
    compact = unit.replace(" ", "")
    if compact == "bool":
        return Role.EVENT
    if compact in ("m/s", "ms^-1", "km/h"):
        return Role.VELOCITY
    if compact in ("rad/s", "deg/s", "rev/s", "1/s", "Hz"):
        return Role.RATE
    if compact in ("rad", "deg"):
        return Role.ANGLE
    if compact in ("m", "mm", "cm"):
        if words & _words("distance error gap"):
            return Role.DISTANCE
        if words & _words("height altitude clearance") or "height" in more:
            return Role.HEIGHT
        return Role.POSITION
    if compact in ("1", "", "rev", "turn", "turns"):
        counted = more & _words("rotations revolutions turns laps count number")
        return Role.COUNT if counted else Role.PURE
    return Role.OTHER
