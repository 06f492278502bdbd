"""A feature of a new task, and the code that measures it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from rewardgen_envs.features import Feature


@dataclass(frozen=True)
class Part:
    """One feature and its code.

    Attributes:
        feature: what is declared.
        expression: what ``measure`` returns for it.
        observed: whether the policy sees it.
        setup: a line of ``measure`` that several expressions build on; none if empty.
        names: a constant of the file that the code uses, ``("FEET", ("left", "right"))``.
    """

    feature: Feature
    expression: str
    observed: bool = False
    setup: str = ""
    names: tuple[str, tuple[str, ...]] | None = None


def columns(numbers: Sequence[int]) -> str:
    """Return columns as code, ``7:19`` or ``[0, 2]``."""
    first, last = numbers[0], numbers[-1]
    if list(numbers) == list(range(first, last + 1)):
        return f"{first}:{last + 1}"
    return str(list(numbers))


def listed(names: Sequence[str]) -> str:
    """Return names as words, ``a, b and c``."""
    if len(names) == 1:
        return names[0]
    return f"{', '.join(names[:-1])} and {names[-1]}"


def quoted(text: str) -> str:
    """Return a text as code."""
    return json.dumps(text, ensure_ascii=False)


def plain(text: str) -> str:
    """Return a name as it can stand in a docstring."""
    return "".join(c if c.isprintable() and c not in '"\\' else "_" for c in text)
