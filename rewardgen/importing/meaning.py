"""What names mean, whoever wrote them: ``object_rot`` and ``object_quaternion`` are the same.

A meaning is a set of words without order, articles of programming and frames; two names with the
same meaning name the same quantity.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from rewardgen_envs.features import Feature, FeatureTable

# word → words; nothing where the word says nothing
_WORDS = {
    "ang": "angular",
    "angvel": "angular velocity",
    "base": "torso",
    "buf": "",
    "com": "",
    "data": "",
    "dof": "joint",
    "get": "",
    "jnt": "joint",
    "lin": "",
    "linear": "",
    "link": "",
    "linvel": "velocity",
    "obj": "object",
    "orientation": "quaternion",
    "orn": "quaternion",
    "pelvis": "torso",
    "pos": "position",
    "proj": "projection",
    "quat": "quaternion",
    "robot": "torso",
    "root": "torso",
    "rot": "quaternion",
    "scene": "",
    "state": "",
    "tensor": "",
    "torso": "torso",
    "trunk": "torso",
    "vel": "velocity",
    "w": "",
    "world": "",
}
_LOCAL = frozenset({"b", "local", "loc"})
_BODY_FRAME = re.compile(r"in the (\w+'s|body|local) (own )?frame", re.IGNORECASE)
# meanings that other systems give other words for
_SAME = {
    frozenset({"joint", "angle"}): frozenset({"joint", "position"}),
    frozenset({"pole", "velocity"}): frozenset({"pole", "angular", "velocity"}),
    frozenset({"pole", "position"}): frozenset({"pole", "angle"}),
    frozenset({"up", "projection"}): frozenset({"torso", "up"}),
}
_NEAREST = 5


@dataclass(frozen=True)
class Meaning:
    """What a name means.

    Attributes:
        words: of which quantity it is.
        local: whether it is in the frame of the body.
    """

    words: frozenset[str]
    local: bool = False


def meaning(name: str) -> Meaning:
    """Return what a name means, such as ``robot.data.root_lin_vel_b`` or ``cube_position``."""
    *owners, last = name.split(".")
    parts = [_split(part) for part in (*owners, last)]
    words = [word for part in parts for word in part]
    local = bool(parts[-1]) and parts[-1][-1] in _LOCAL
    known = {
        each for word in words if word not in _LOCAL for each in _WORDS.get(word, word).split()
    }
    if _owned(parts[:-1]):
        known.discard("torso")  # the root of an object is the object
    found = frozenset(known)
    return Meaning(_SAME.get(found, found), local)


def of_feature(feature: Feature) -> Meaning:
    """Return what a feature means; its description may name a frame."""
    return Meaning(meaning(feature.name).words, bool(_BODY_FRAME.search(feature.description)))


def nearest_features(name: str, table: FeatureTable) -> list[Feature]:
    """Return the features that a name may have meant, the nearest first."""
    words = meaning(name).words

    def nearness(feature: Feature) -> tuple[float, float]:
        theirs = of_feature(feature).words
        shared = len(words & theirs) / max(len(words | theirs), 1)
        return shared, difflib.SequenceMatcher(None, name.lower(), feature.name).ratio()

    return sorted(table, key=nearness, reverse=True)[:_NEAREST]


def _owned(owners: list[list[str]]) -> list[str]:
    """Return the words of who owns a quantity, such as ``cube`` in ``cube.data.root_pos_w``."""
    words = [each for part in owners for word in part for each in _WORDS.get(word, word).split()]
    return [word for word in words if word != "torso"]


def _split(part: str) -> list[str]:
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", part).lower()
    return [_singular(word) for word in snake.split("_") if word]


def _singular(word: str) -> str:
    if word.endswith("ies"):
        return f"{word[:-3]}y"
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
