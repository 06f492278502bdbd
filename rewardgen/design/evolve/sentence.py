"""What the task's sentence says about the features: plain word matching, for any task.

Stems of the sentence are compared with those of feature names and descriptions, and a small
lexicon ties everyday words of motion ("forward", "upright", "reach") to kinds of quantities.
Nothing here knows a task.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


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


_STOP = """
the and with from for its into onto that this are was not but have has can may each per all any
one two make made robot current step control world frame relative measured
"""
STOP = frozenset(_STOP.split())


def stem(word: str) -> str:
    """Return a crude stem: without plural, -ing, -ed, -ly and a final e."""
    for suffix in ("ing", "ed", "ly", "es", "s"):
        if word.endswith(suffix) and len(word) - len(suffix) >= 3 and not word.endswith("ss"):
            word = word.removesuffix(suffix)
            break
    if len(word) > 3 and word[-1] == word[-2]:
        word = word[:-1]
    return word.removesuffix("e") if len(word) > 3 else word


def stems(text: str) -> list[str]:
    """Return the stems of a text's words that carry meaning, in order."""
    words = re.findall(r"[a-z]+", text.lower().replace("_", " "))
    return [stem(word) for word in words if len(word) > 1 and word not in STOP]


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
CONCEPTS = (
    _concept(
        "forward ahead run walk gallop sprint trot hop drive swim crawl travel",
        "velocity",
        Want.MORE,
        3.0,
        axis=0,
        cues=AHEAD,
        unless="backward reverse",
    ),
    _concept(
        "fast speed quick",
        "velocity",
        Want.MORE,
        1.0,
        axis=0,
        cues=AHEAD,
        unless="backward reverse",
    ),
    _concept("backward reverse", "velocity", Want.LESS, 3.0, axis=0, cues=AHEAD, unless=TURNING),
    _concept("left", "velocity", Want.MORE, 3.0, axis=1, cues="left lateral sideway"),
    _concept("right sideway", "velocity", Want.LESS, 2.0, axis=1, cues="left lateral sideway"),
    _concept("jump leap hop high fly", "velocity", Want.MORE, 1.5, axis=2, cues=UP),
    _concept("jump leap high lift raise rise stand climb up upright", "height", Want.MORE, 1.5),
    _concept(
        "jump leap high lift raise rise stand climb", "position", Want.MORE, 1.5, axis=2, cues=UP
    ),
    _concept(
        "upright balance straight level stand land",
        "angle",
        Want.NEAR,
        1.0,
        cues="upright tilt lean pitch roll torso body",
    ),
    _concept(
        "upright balance straight stand land",
        "pure",
        Want.MORE,
        1.0,
        cues="upright vertical up cosine",
    ),
    _concept("reach goal target touch approach arrive", "distance", Want.LESS, 3.0),
    _concept(
        "reach goal target touch approach arrive",
        "velocity",
        Want.MORE,
        2.0,
        cues="goal target toward",
    ),
    _concept("reach goal target touch", "event", Want.MORE, 1.0, cues="goal target reach touch"),
    _concept(TURNING, "rate", Want.MORE, 2.0, cues=f"{TURNING} pitch angular yaw"),
    _concept(TURNING, "rate", Want.LESS, 1.0, cues=f"{TURNING} pitch angular yaw"),
    _concept(TURNING, "count angle", Want.MORE, 2.0, cues=f"{TURNING} pitch yaw"),
    _concept(TURNING, "count angle", Want.LESS, 0.7, cues=f"{TURNING} pitch yaw"),
    _concept(TURNING, "height", Want.MORE, 0.7),
    _concept("still stop calm hold steady", "velocity rate", Want.NEAR, 1.5),
    _concept("middle centre center", "position", Want.NEAR, 1.0),
    _concept("land step walk", "event", Want.MORE, 0.3, cues="contact foot ground touch"),
)
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
_VALUE_IS = re.compile(r"(-?\d+(?:\.\d+)?) (?:is|means|where|when|if|at) (?:the |a |an )?([a-z]+)")
# a clause after one of these words qualifies what was asked for; it is not the goal itself
_ASIDE = re.compile(r"\b(?:with|while|without|using|by|but|despite)\b")
ASIDE_WEIGHT = 0.4
_FROM = re.compile(r"\b(?:from|to|off) (?:the |a |an )?([a-z]+)")


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


@dataclass(frozen=True)
class Reading:
    """What the sentence says about one signal.

    Attributes:
        relevance: how much its words overlap with the sentence's, ≥ 0.
        wants: weight of each want.
        target: the value to be near to.
    """

    relevance: float
    wants: dict[Want, float]
    target: float


class Sentence:
    """A task's sentence, read against the words of all its features.

    Args:
        text: the sentence.
        features: name and description of every public feature; words that many of them share
            tell little about one of them.
    """

    def __init__(self, text: str, features: Iterable[tuple[str, str]]) -> None:
        goal, *asides = _ASIDE.split(text.lower())
        self._weights = dict.fromkeys(stems(" ".join(asides)), ASIDE_WEIGHT)
        self._weights |= dict.fromkeys(stems(goal), 1.0)
        documents = [set(stems(f"{name} {description}")) for name, description in features]
        self._frequency = Counter(word for document in documents for word in document)
        self._count = max(1, len(documents))

    def read(
        self, role: Role, name: str, description: str, axis: int | None, norm: bool
    ) -> Reading:
        """Return what the sentence says about a signal.

        Args:
            role: the signal's role.
            name: its feature's name.
            description: its feature's sentence.
            axis: its component if the feature is a 3-vector.
            norm: whether it is a vector's norm.
        """
        in_name, words = set(stems(name)), set(stems(f"{name} {description}"))
        wants = dict(PRIOR[role])
        target = 0.0
        for concept in CONCEPTS:
            if role in concept.roles and _fits(concept, words, axis, norm):
                strength = concept.strength * self._weight(concept)
                wants[concept.want] = wants.get(concept.want, 0.0) + strength
        for number, word in _VALUE_IS.findall(description.lower()):
            if stem(word) in self._weights:
                value = float(number)
                want = Want.MORE if role is Role.PURE and value == 1.0 else Want.NEAR
                wants[want] = wants.get(want, 0.0) + 1.5 * self._weights[stem(word)]
                target = value if want is Want.NEAR else target
        for word in _FROM.findall(description.lower()):
            if stem(word) in self._weights and role in (Role.ANGLE, Role.POSITION, Role.DISTANCE):
                want = Want.LESS if role is Role.DISTANCE else Want.NEAR
                wants[want] = wants.get(want, 0.0) + self._weights[stem(word)]
        overlap = sum(
            self._overlap(w) * self._rarity(w) * (1.0 if w in in_name else 0.6)
            for w in sorted(words)
        )
        # the second word in common says less than the first
        return Reading(2.0 * overlap / (1.0 + overlap), wants, target)

    def _overlap(self, word: str) -> float:
        """Return the weight of the sentence's word that is like this one, 0 if none is."""
        return max((w for s, w in self._weights.items() if _alike(word, s)), default=0.0)

    def _weight(self, concept: Concept) -> float:
        """Return how much the sentence calls for a concept, 0 if it does not."""
        if concept.unless & self._weights.keys():
            return 0.0
        return max((self._weights.get(word, 0.0) for word in concept.words), default=0.0)

    def _rarity(self, word: str) -> float:
        return math.log(1.0 + self._count / max(1, self._frequency[word])) / math.log(
            1.0 + self._count
        )


def _fits(concept: Concept, words: set[str], axis: int | None, norm: bool) -> bool:
    """Whether a signal's words and axis are those that the concept means."""
    if axis is not None and concept.axis is not None:
        return axis == concept.axis
    if norm and concept.axis is not None:
        return False
    return not concept.cues or bool(concept.cues & words)


def _alike(left: str, right: str) -> bool:
    """Whether two stems are equal or share their first five letters ("rotat-e", "rotat-ion")."""
    return left == right or (len(left) >= 5 and len(right) >= 5 and left[:5] == right[:5])
