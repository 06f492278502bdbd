"""Tests over every registered task: one of each family is fast, the others are marked slow."""

from __future__ import annotations

from itertools import groupby

import pytest

from rewardgen_envs.registry import task_names


def family(name: str) -> str:
    """Return the part of a task's name that names its robot."""
    return name.partition("/")[0]


def every_task() -> list[object]:
    """Return all tasks as parameters; tasks of one robot share nearly all of their code."""
    params: list[object] = []
    for _, names in groupby(sorted(task_names(), key=family), key=family):
        first, *others = names
        params += [first, *(pytest.param(name, marks=pytest.mark.slow) for name in others)]
    return params
