"""``rewardgen tasks list | show | check | new``."""

from __future__ import annotations

import shlex
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from rewardgen.cli.output import complain, say, say_json, say_record
from rewardgen_envs.errors import UsageError

if TYPE_CHECKING:
    from rewardgen.store.records import TaskRecord


@dataclass(frozen=True)
class TasksList:
    """List the installed tasks."""

    json: bool = False
    """Print one JSON object (docs/schemas/tasks-list.json)."""

    def run(self) -> int:
        """Do it and return the exit status."""
        from rewardgen.tasks import list_tasks

        record = list_tasks()
        if self.json:
            say_record(record)
        else:
            say("\n".join(entry.name for entry in record.tasks))
        return 0


@dataclass(frozen=True)
class TasksShow:
    """Show a task: what it wants, its fitness, its features, its human reward.

    Of a Gymnasium environment without a feature map, gym:ID, a map to start from is printed.
    """

    name: tyro.conf.Positional[str | None] = None
    """Installed task, path/to/file.py:Class, path/to/map.yaml, or gym:ID."""
    task: str | None = None
    """The same, as an option."""
    card: Path | None = None
    """Folder to write the task's card to: Markdown with a picture, tables and baselines."""
    json: bool = False
    """Print one JSON object (docs/schemas/tasks-show.json)."""

    def run(self) -> int:
        """Do it and return the exit status."""
        from rewardgen.tasks import describe_task, starter, write_card

        reference = _chosen(self.name, self.task)
        draft = starter(reference)
        if draft is not None:
            if self.json:
                say_json({"map": draft})
            else:
                say(draft.rstrip())
            return 0
        if self.card is not None:
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always", UserWarning)
                written = write_card(reference, self.card)
            for line in (*(str(one.message) for one in told), f"wrote {written}"):
                complain(line)
        record = describe_task(reference)
        if self.json:
            say_record(record)
        else:
            say("\n".join(_card(record)))
        return 0


@dataclass(frozen=True)
class TasksCheck:
    """Check that a task keeps the contract: it is played for some seconds, nothing is trained."""

    name: tyro.conf.Positional[str | None] = None
    """Installed task, path/to/file.py:Class, or path/to/map.yaml."""
    task: str | None = None
    """The same, as an option."""
    train: bool = False
    """Also train policies on the human reward; they must beat random actions."""
    seeds: int = 3
    """Policies to train with --train."""
    env_steps: int = 300_000
    """Training budget of each with --train, in environment steps."""
    json: bool = False
    """Print one JSON object (docs/schemas/check.json)."""

    def run(self) -> int:
        """Do it and return the exit status: 0 if accepted, else 1."""
        from rewardgen.tasks import TrainingTest, check_task

        reference = _chosen(self.name, self.task)
        if self.seeds < 1 or self.env_steps < 1:
            raise UsageError("--seeds and --env-steps must be at least 1")
        training = TrainingTest(self.seeds, self.env_steps) if self.train else None
        record = check_task(reference, training)
        if self.json:
            say_record(record)
            return 0 if record.verdict == "accepted" else 1
        for finding in record.findings:
            line = "" if finding.line is None else f" (line {finding.line})"
            say(f"{finding.severity} [{finding.stage}: {finding.rule}] {finding.message}{line}")
            say(f"    {finding.remedy}")
        say(record.verdict)
        return 0 if record.verdict == "accepted" else 1


@dataclass(frozen=True)
class TasksNew:
    """Write a task for a robot that lacks two things: its fitness and its human reward.

    Both are marked TODO, and `rewardgen tasks check` names them. A reward file is written beside
    the task; nothing is overwritten.
    """

    robot: tyro.conf.Positional[Path | None] = None
    """MJCF file of the robot, with its meshes where it looks for them; else write a pendulum."""
    out: Path | None = None
    """Python file to write; by default it is called after --name, in this folder."""
    name: str | None = None
    """Name of the task, "family/variant"; by default the names of robot and file, go1/walk."""
    json: bool = False
    """Print one JSON object: {"task": reference, "files": [path, ...]}."""

    def run(self) -> int:
        """Do it and return the exit status."""
        from rewardgen.skeleton.write import write_skeleton

        written = write_skeleton(self.robot, self.out, self.name)
        files = [str(path) for path in written.files]
        if self.json:
            say_json({"task": written.reference, "files": files})
            return 0
        say("\n".join(f"wrote {path}" for path in files))
        for note in written.notes:
            complain(note)
        check = shlex.join(["rewardgen", "tasks", "check", written.reference])
        complain(f"fill in what is marked TODO, then: {check}")
        return 0


def _chosen(name: str | None, task: str | None) -> str:
    given = [reference for reference in (name, task) if reference is not None]
    if len(given) != 1:
        raise UsageError("give one task: its name, path/to/file.py:Class, or path/to/map.yaml")
    return given[0]


def _card(record: TaskRecord) -> list[str]:
    """Return a task as lines of text."""
    lines = [
        f"{record.name}  version {record.version}  {record.class_}",
        record.description,
        "",
        "fitness (the first ranks)",
    ]
    for metric in record.fitness:
        success = "" if metric.success is None else f", success from {metric.success:g}"
        lines.append(f"  {metric.name} [{metric.unit}], {metric.direction} is better{success}")
    lines += ["", "features"]
    names = [f.name + _shape(f.shape) + (" private" if f.private else "") for f in record.features]
    width = max(len(name) for name in names)
    unit = max(len(feature.unit) for feature in record.features)
    lines += [
        f"  {name:<{width}}  {feature.unit:<{unit}}  {feature.description}"
        for name, feature in zip(names, record.features, strict=True)
    ]
    human = record.human_reward or "the environment's own, which no candidate sees"
    return [*lines, "", "human reward", human.rstrip()]


def _shape(shape: tuple[int, ...]) -> str:
    return f" ({', '.join(map(str, shape))})" if shape else ""
