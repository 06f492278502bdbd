"""The designers there are, by the name that a configuration uses."""

from __future__ import annotations

from collections.abc import Callable

from rewardgen.design.designer import Designer
from rewardgen.design.evolve import EvolveDesigner
from rewardgen_envs.errors import UsageError
from rewardgen_envs.names import nearest

DESIGNERS: dict[str, Callable[[], Designer]] = {"evolve": EvolveDesigner}


def make_designer(name: str) -> Designer:
    """Return a designer.

    Raises:
        UsageError: there is none of that name; lists those there are.
    """
    if name not in DESIGNERS:
        raise UsageError(f"unknown designer '{name}'{nearest(name, DESIGNERS)}")
    return DESIGNERS[name]()
