"""What the task's sentence says about the features: plain word matching, for any task.

Stems of the sentence are compared with those of feature names and descriptions; the lexicon adds
which kinds of quantities its words call for.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from rewardgen.design.evolve.grammar import rounded
from rewardgen.design.evolve.lexicon import CONCEPTS, OPPOSITE, PRIOR, Concept, Role, Want
from rewardgen.design.evolve.words import alike, stem, stems

_VALUE_IS = re.compile(r"(-?\d+(?:\.\d+)?) (?:is|means|where|when|if|at) (?:the |a |an )?([a-z]+)")
# a clause after one of these words qualifies what was asked for; it is not the goal itself
_ASIDE = re.compile(r"\b(?:with|while|without|using|by|but|despite)\b")
ASIDE_WEIGHT = 0.4
NAMED_EVENT = 1.0
_POSITIVE = re.compile(r"positive (?:is |means |leans |turns |points |when |for )?([a-z]+)")
DIRECTED = frozenset({Role.RATE, Role.ANGLE, Role.COUNT})
_FROM = re.compile(r"\b(?:from|to|off) (?:the |a |an )?([a-z]+)")
# what comes after one of these words follows on what was asked for before it
_THEN = re.compile(r"\b(?:and|then|after|before|until|once)\b")
_INTERVAL = re.compile(r"[(\[][^()\[\]]*[)\]]")
_NUMBER = re.compile(r"(-?\d+(?:\.\d+)?)(\s*pi\b)?")
_TURNING = re.compile(r"(?<!\bin )\bturns?\b")


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
        in_name, words = stems(name), set(stems(f"{name} {description}"))
        wants = dict(PRIOR[role])
        target = 0.0
        for concept in CONCEPTS:
            if role in concept.roles and _fits(concept, words, axis, norm):
                strength = concept.strength * self._weight(concept)
                wants[concept.want] = wants.get(concept.want, 0.0) + strength
        # an event that what is asked for calls by name; asides name what is to be avoided as well
        if role is Role.EVENT and all(self._weights.get(word) == 1.0 for word in in_name):
            wants[Want.MORE] += NAMED_EVENT
        for number, word in _VALUE_IS.findall(description.lower()):
            if stem(word) in self._weights:
                value = float(number)
                at_most = value == 1.0 and role in (Role.PURE, Role.EVENT)
                want = Want.MORE if at_most else Want.NEAR
                wants[want] = wants.get(want, 0.0) + 1.5 * self._weights[stem(word)]
                target = value if want is Want.NEAR else target
        for word in (*in_name, *map(stem, _POSITIVE.findall(description.lower()))):
            for want, asked in ((Want.MORE, word), (Want.LESS, OPPOSITE.get(word, ""))):
                if word in OPPOSITE and role in DIRECTED:
                    wants[want] = wants.get(want, 0.0) + 2.0 * self._weights.get(asked, 0.0)
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
        return max((w for s, w in self._weights.items() if alike(word, s)), default=0.0)

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


def later_clause(sentence: str) -> str:
    """Return the words after the first that says that one thing follows another, "" if none."""
    parts = _THEN.split(sentence.lower(), maxsplit=1)
    return parts[1] if len(parts) > 1 else ""


def milestones(role: Role, description: str) -> tuple[float, ...]:
    """Return the values that a description names as places on a way, largest magnitude first.

    Of an angle that is counted through turns, a full turn either way is such a place.
    """
    text = _INTERVAL.sub(" ", description.lower())
    found = {
        rounded(float(number) * (math.pi if pi else 1.0)) for number, pi in _NUMBER.findall(text)
    }
    if role is Role.ANGLE and _TURNING.search(text):
        full = rounded(2.0 * math.pi)
        found |= {full, -full}
    return tuple(sorted(found - {0.0}, key=lambda value: (-abs(value), value)))
