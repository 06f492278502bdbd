"""What a task says about itself: names, units, sentences, metric declarations."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol

from rewardgen_envs.base_task import BaseTask
from rewardgen_envs.checks.finding import TaskFinding
from rewardgen_envs.features import Feature
from rewardgen_envs.metrics import Metric

STAGE = "texts"
_UNITS = ("", "A", "Hz", "J", "K", "N", "Pa", "T", "V", "W", "bool", "kg", "m", "px", "rad", "s")
_PARTS = re.compile(r"[\s\d/*·^()+⁺⁻⁰¹²³⁴⁵⁶⁷⁸⁹-]+")
_PLACEHOLDERS = ("todo", "fixme", "xxx", "tbd", "?")


class Described(Protocol):
    """A task under test, whatever simulates it."""

    @property
    def task(self) -> BaseTask:
        """The task."""
        ...

    def broken(self, stage: str, rule: str, method: str, message: str, remedy: str) -> TaskFinding:
        """Return the finding that the task breaks the contract."""
        ...


def texts(subject: Described) -> Iterator[TaskFinding]:
    """Features, causes, metrics and the task have a name, a unit and a sentence each."""
    task = subject.task
    if not _is_name(task.name):
        yield _missing(subject, "name-missing", "the task has no name", "set name = 'family/task'")
    if not (_is_sentence(task.description) or _is_placeholder(task.description)):
        yield _missing(
            subject,
            "sentence-missing",
            "the task has no description",
            "set description to a sentence that tells a designer what to achieve",
        )
    for feature in task.declared:
        yield from _feature(subject, feature)
    for cause, sentence in task.causes.items():
        if not _is_sentence(sentence):
            yield _sentence(subject, f"cause '{cause}'", cause)
    yield from _metrics(subject)
    if task.human_reward is not None and not task.human_reward.is_file():
        yield _missing(
            subject,
            "human-reward-missing",
            f"the file of the human reward, {task.human_reward}, does not exist",
            "write compute_reward(state, action, next_state) there, or correct human_reward",
        )


def _feature(subject: Described, feature: Feature) -> Iterator[TaskFinding]:
    if not _is_text(feature.unit):
        yield _missing(
            subject,
            "unit-missing",
            f"feature '{feature.name}' has no unit",
            "give an SI unit such as 'm/s', '1' for a pure number, 'bool' for 0/1",
        )
    elif unknown := [part for part in _PARTS.split(feature.unit) if part not in _UNITS]:
        finding = _missing(
            subject,
            "unit-unknown",
            f"feature '{feature.name}' has the unit '{feature.unit}'; checks of rewards do not "
            f"know '{unknown[0]}'",
            f"convert it to products and powers of {', '.join(filter(None, _UNITS))}; '1' is a "
            "pure number or a count",
        )
        yield replace(finding, severity="warning")
    if not _is_sentence(feature.description) or feature.description.strip() == feature.name:
        yield _sentence(subject, f"feature '{feature.name}'", feature.name)
    if not all(size > 0 for size in feature.shape):
        yield _missing(
            subject,
            "feature-shape",
            f"feature '{feature.name}' declares the shape {feature.shape}",
            "declare the shape of one world: () for a scalar, (3,) for a vector",
        )


def _metrics(subject: Described) -> Iterator[TaskFinding]:
    metrics = subject.task.metrics
    if not metrics:
        yield _missing(
            subject,
            "metric-missing",
            "there is no fitness metric",
            "declare metrics = (Metric(…),); the first ranks",
        )
    names = [metric.name for metric in metrics]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield _missing(
            subject,
            "metric-twice",
            f"metric '{name}' is declared twice",
            "give every metric a name of its own",
        )
    for metric in metrics:
        yield from _metric(subject, metric)


def _metric(subject: Described, metric: Metric) -> Iterator[TaskFinding]:
    if not metric.name.isidentifier():
        yield _missing(
            subject,
            "name-missing",
            f"metric name {metric.name!r} is not an identifier",
            "use letters, digits and underscores",
        )
    if not (_is_text(metric.unit) or _is_placeholder(metric.unit)):
        yield _missing(
            subject,
            "unit-missing",
            f"metric '{metric.name}' has no unit",
            "give the unit of the accumulated number, '1' for a share or a count",
        )
    if not (_is_sentence(metric.description) or _is_placeholder(metric.description)):
        yield _sentence(subject, f"metric '{metric.name}'", metric.name)
    numbers = {"after_termination": metric.after_termination, "success": metric.success}
    for name, value in numbers.items():
        if value is not None and not math.isfinite(value):
            yield _missing(
                subject,
                "metric-number",
                f"metric '{metric.name}' declares {name} = {value}",
                "give a finite number",
            )


def _sentence(subject: Described, culprit: str, name: str) -> TaskFinding:
    return _missing(
        subject,
        "sentence-missing",
        f"{culprit} is not described by a sentence",
        f"say in one sentence what '{name}' is; people and designers read nothing else",
    )


def _missing(subject: Described, rule: str, message: str, remedy: str) -> TaskFinding:
    return subject.broken(STAGE, rule, "__init__", message, remedy)


def still_to_write(subject: Described) -> TaskFinding | None:
    """Return that the fitness is not written yet: its texts only hold the place of others."""
    task = subject.task
    places = ["description"] if _is_placeholder(task.description) else []
    places += [
        f"metric '{metric.name}'"
        for metric in task.metrics
        if _is_placeholder(metric.unit) or _is_placeholder(metric.description)
    ]
    if not places:
        return None
    return subject.broken(
        "fitness",
        "fitness-missing",
        "fitness",
        f"the fitness is still to be written: {', '.join(places)}",
        "say in description what to achieve, declare what counts, compute it in fitness()",
    )


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip()) and not _is_placeholder(value)


def _is_sentence(value: object) -> bool:
    return isinstance(value, str) and len(value.split()) >= 2 and not _is_placeholder(value)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_placeholder(text: str) -> bool:
    return text.strip().lower().startswith(_PLACEHOLDERS)
