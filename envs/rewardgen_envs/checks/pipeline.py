"""The properties of the task contract, in order, and the check that goes through them."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rewardgen_envs.checks.actions import action
from rewardgen_envs.checks.episodes import episodes
from rewardgen_envs.checks.falling import falling
from rewardgen_envs.checks.finding import TaskFinding
from rewardgen_envs.checks.fitness import fitness
from rewardgen_envs.checks.functions import functions
from rewardgen_envs.checks.observations import observation
from rewardgen_envs.checks.quantities import quantities
from rewardgen_envs.checks.replays import replays
from rewardgen_envs.checks.resets import resets
from rewardgen_envs.checks.scenes import scene
from rewardgen_envs.checks.subject import Subject
from rewardgen_envs.checks.texts import texts
from rewardgen_envs.task import Task, TaskError


@dataclass(frozen=True)
class Property:
    """One property of the contract.

    Attributes:
        test: yields a finding for each way in which the task breaks it.
        needs: properties without which this one would only repeat their findings.
    """

    test: Callable[[Subject], Iterator[TaskFinding]]
    needs: tuple[str, ...] = ()


PROPERTIES: dict[str, Property] = {
    "texts": Property(texts),
    "scene": Property(scene),
    "resets": Property(resets, ("scene",)),
    "quantities": Property(quantities, ("scene", "resets")),
    "functions": Property(functions, ("quantities",)),
    "replays": Property(replays, ("functions",)),
    "episodes": Property(episodes, ("replays",)),
    "action": Property(action, ("episodes",)),
    "observation": Property(observation, ("episodes",)),
    "fitness": Property(fitness, ("episodes",)),
    "falling": Property(falling, ("episodes",)),
}


def check_task(task_class: Callable[[], Task]) -> tuple[TaskFinding, ...]:
    """Test every property of a task and return what is wrong with it; nothing if it is good.

    Never trains; takes seconds. Code of the task that raises is a finding, too.

    Args:
        task_class: the class, or any maker of equal and independent instances.
    """
    subject = construct(task_class)
    return (subject,) if isinstance(subject, TaskFinding) else check_subject(subject).findings


def construct(task_class: Callable[[], Task]) -> Subject | TaskFinding:
    """Return the task under test, or what is wrong if there is no such object."""
    missing = sorted(getattr(task_class, "__abstractmethods__", ()))
    if missing:
        return TaskFinding(
            stage="texts",
            kind="contract",
            rule="method-missing",
            severity="error",
            line=None,
            message=f"class {getattr(task_class, '__name__', '')} does not define "
            + ", ".join(f"{name}()" for name in missing),
            remedy="write every method that Task leaves to its author",
        )
    try:
        subject = Subject(task_class)
        _needed_attributes(subject.task)
    except Exception as error:
        return _raised("texts", error, None)
    return subject


@dataclass(frozen=True)
class Checked:
    """What the properties said.

    Attributes:
        findings: everything that is wrong.
        playable: whether episodes can be played and trusted, so that more can be tested on
            ``Subject.random`` and ``Subject.kicked``.
    """

    findings: tuple[TaskFinding, ...]
    playable: bool


def check_subject(subject: Subject) -> Checked:
    """Test every property of the task under test."""
    findings: list[TaskFinding] = []
    blocked: set[str] = set()
    for name, prop in PROPERTIES.items():
        if blocked.intersection(prop.needs):
            blocked.add(name)
            continue
        found: list[TaskFinding] = []
        try:
            found.extend(prop.test(subject))
        except Exception as error:
            found.append(_raised(name, error, subject))
        findings.extend(found)
        if any(finding.severity == "error" for finding in found):
            blocked.add(name)
    return Checked(tuple(findings), playable="episodes" not in blocked)


def _needed_attributes(task: Task) -> None:
    needed = ("name", "description", "decimation", "episode_s", "features", "metrics")
    for attribute in (*needed, "human_reward"):
        if not hasattr(task, attribute):
            raise TaskError(f"class {type(task).__name__} does not set '{attribute}'")


def _raised(stage: str, error: Exception, subject: Subject | None) -> TaskFinding:
    """Return the finding that the task's code raised, or gave what nobody can compute with."""
    frame = _frame_of_task(error, subject)
    where = "" if frame is None else f"{frame.name}() in {Path(frame.filename).name}: "
    return TaskFinding(
        stage=stage,
        kind="runtime",
        rule="raises",
        severity="error",
        line=None if frame is None else frame.lineno,
        message=f"{where}{type(error).__name__}: {error}",
        remedy="correct the task's code; the message says where it stopped",
    )


def _frame_of_task(error: Exception, subject: Subject | None) -> traceback.FrameSummary | None:
    """Return the innermost frame in a file of the task."""
    if subject is None:
        return None
    files = subject.files()
    frames = traceback.extract_tb(error.__traceback__)
    return next((frame for frame in reversed(frames) if frame.filename in files), None)
