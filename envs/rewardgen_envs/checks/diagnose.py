"""Why two equal calls of a task's method gave two answers."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from types import ModuleType
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from rewardgen_envs.checks.compare import same_bits
from rewardgen_envs.checks.finding import TaskFinding
from rewardgen_envs.checks.subject import Subject
from rewardgen_envs.task import Task

GLOBAL_RANDOM = "draw every random number with `draw` in reset(), or as a variable drawn there"
NO_MEMORY = "declare a tracker; a task object must not change after its construction"


def unequal_calls(
    subject: Subject,
    stage: str,
    method: str,
    culprit: str,
    call: Callable[[Task], Mapping[str, Tensor]],
) -> TaskFinding:
    """Explain that ``call`` gave two answers to the same question.

    Args:
        subject: the task under test.
        stage: the property that found it.
        method: name of the task's method.
        culprit: what differed, in words.
        call: calls the method of the task given.
    """
    task = subject.task
    if _equal_with_equal_seeds(call, task):
        return subject.broken(
            stage,
            "nondeterminism",
            method,
            f"{method}() gives two values of {culprit} for one input: it uses global random "
            "numbers",
            GLOBAL_RANDOM,
        )
    before = _memory(task)
    call(task)
    changed = [name for name, value in _memory(task).items() if before.get(name) != value]
    if changed:
        return subject.broken(
            stage,
            "hidden-state",
            method,
            f"{method}() gives two values of {culprit} for one input: it keeps state in "
            f"{changed[0]}, which survives a reset",
            NO_MEMORY,
        )
    return subject.broken(
        stage,
        "nondeterminism",
        method,
        f"{method}() gives two values of {culprit} for one input, and neither global random "
        "numbers nor an attribute of the task explain it",
        "compute it from the arguments alone",
    )


@contextmanager
def seeded() -> Generator[None]:
    """Start every global random generator at the same point, and put it back afterwards."""
    before = torch.get_rng_state(), np.random.get_state(), random.getstate()
    torch.default_generator.manual_seed(0)
    np.random.seed(0)
    random.seed(0)
    try:
        yield
    finally:
        torch.set_rng_state(before[0])
        np.random.set_state(before[1])
        random.setstate(before[2])


def _equal_with_equal_seeds(call: Callable[[Task], Mapping[str, Tensor]], task: Task) -> bool:
    """Whether the answers agree once every global random generator starts equal."""
    answers: list[dict[str, Tensor]] = []
    for _ in range(2):
        with seeded():
            answers.append({k: v.clone() for k, v in call(task).items()})
    return same_bits(answers[0], answers[1]) is None


def _memory(task: Task) -> dict[str, object]:
    """Return fingerprints of what a task can keep: attributes of object, classes, modules."""
    found = {f"self.{k}": _fingerprint(v) for k, v in vars(task).items()}
    for owner in type(task).__mro__:
        if owner is Task or not issubclass(owner, Task):
            continue
        found |= {f"{owner.__name__}.{k}": _fingerprint(v) for k, v in _data(vars(owner)).items()}
        module = sys.modules.get(owner.__module__)
        if module is not None:
            found |= {f"global {k}": _fingerprint(v) for k, v in _data(vars(module)).items()}
    return found


def _data(namespace: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in namespace.items()
        if not name.startswith("__") and not isinstance(value, (cached_property, property, type))
    }


def _fingerprint(value: object, depth: int = 3) -> object:
    """Return something that differs if the value does; only plain data is looked into."""
    if isinstance(value, Tensor):
        return ("tensor", tuple(value.shape), value.detach().cpu().numpy().tobytes())
    if isinstance(value, np.ndarray):
        return ("array", cast("np.ndarray[Any, Any]", value).tobytes())
    if isinstance(value, (bool, int, float, str, bytes)) or value is None:
        return value
    if depth and isinstance(value, Mapping):
        items = cast("Mapping[object, object]", value).items()
        return tuple((str(k), _fingerprint(v, depth - 1)) for k, v in items)
    if depth and isinstance(value, Sequence):
        return tuple(_fingerprint(v, depth - 1) for v in cast("Sequence[object]", value))
    if depth and hasattr(value, "__dict__") and not isinstance(value, (ModuleType, Callable)):
        return tuple((k, _fingerprint(v, depth - 1)) for k, v in vars(value).items())
    return id(cast("object", value))
