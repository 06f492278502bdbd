"""Stems of words: just enough to match a sentence with names and descriptions."""

from __future__ import annotations

import re

_STOP = """
the and with from for its into onto that this are was not but have has can may each per all any
one two make made robot current step control world frame measured
"""
STOP = frozenset(_STOP.split())
_IRREGULAR = (
    "feet foot stood stand held hold ran run swung swing flew fly fell fall fallen fall spun spin"
)
_FORMS = _IRREGULAR.split()
IRREGULAR: dict[str, str] = dict(zip(_FORMS[::2], _FORMS[1::2], strict=True))


def stem(word: str) -> str:
    """Return a crude stem: without plural, -ing, -ed, -ly and a final e."""
    word = IRREGULAR.get(word, word)
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


def alike(left: str, right: str) -> bool:
    """Whether two stems are equal or share their first five letters ("rotat-e", "rotat-ion")."""
    return left == right or (len(left) >= 5 and len(right) >= 5 and left[:5] == right[:5])
