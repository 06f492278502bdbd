"""What a new task, its files, its class and its features are called."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from rewardgen.skeleton.part import Part
from rewardgen_envs.errors import UsageError

_WORD = "[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*"
_IMPORTED = frozenset(
    {
        *("Draw", "Feature", "FeatureView", "Initial", "Metric", "Path", "Physics"),
        *("Quantities", "Task", "Tensor"),
    }
)
"""What the task's file imports: its class cannot be called so."""
_TAKEN = frozenset(
    {
        *("terminated", "episode_time_s", "last_action"),
        *("reward", "state", "action", "next_state"),
        *keyword.kwlist,
    }
)
"""Names that no feature can have: there is one in every task, or reward code uses it itself."""


@dataclass(frozen=True)
class Names:
    """What is written, and under which names.

    Attributes:
        task: ``family/variant``.
        class_name: the class in the task's file.
        file: the task's file.
    """

    task: str
    class_name: str
    file: Path

    @property
    def reward(self) -> Path:
        """The file of the human reward."""
        return self.file.with_name(f"{self.file.stem}_reward.py")


def choose_names(robot: str, out: Path | None, name: str | None) -> Names:
    """Return what to write, from what was said of it.

    Args:
        robot: what the robot is called; the family, if there is no name.
        out: the task's file; by default it is called after the variant.
        name: ``family/variant``; by default robot and file give it.

    Raises:
        UsageError: nothing was said, the file is no Python file, or the name is no name.
    """
    if out is not None and out.suffix != ".py":
        raise UsageError(f"--out {out}: a task is a Python file, so its name must end in .py")
    if name is None:
        if out is None:
            raise UsageError("say what to write: --out my_robot.py, or --name robot/walk-fast")
        name = f"{_word(robot)}/{_word(out.stem)}"
    stem = _stem(name)
    class_name = "".join(part.capitalize() for part in stem.split("_"))
    if class_name in _IMPORTED:
        class_name += "Task"
    return Names(name, class_name, Path(f"{stem}.py") if out is None else out)


def identifier(text: str, kind: str) -> str:
    """Return a name from a scene as an identifier.

    Args:
        text: the name; anything.
        kind: a word for what it names, which leads where the name has no letter to begin with.
    """
    words = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
    return words if words[:1].isalpha() else f"{kind}_{words}".strip("_")


def with_unique_names(parts: Iterable[Part]) -> tuple[Part, ...]:
    """Return the parts with names that differ: the second of a name is numbered 2."""
    taken = set(_TAKEN)
    unique: list[Part] = []
    for part in parts:
        name, number = part.feature.name, 1
        while name in taken:
            number += 1
            name = f"{part.feature.name}_{number}"
        taken.add(name)
        unique.append(replace(part, feature=replace(part.feature, name=name)))
    return tuple(unique)


def _stem(name: str) -> str:
    """Return the variant of a task as an identifier, ``walk_fast``.

    Raises:
        UsageError: the name is no name.
    """
    problem = None
    if name.count("/") != 1:
        problem = "it must be family/variant"
    elif not re.fullmatch(f"{_WORD}/{_WORD}", name):
        problem = "both parts are lower-case letters, then also digits, with '-' or '_' between"
    stem = name.rpartition("/")[2].replace("-", "_")
    if problem is None and (keyword.iskeyword(stem) or keyword.iskeyword(stem.capitalize())):
        problem = f"'{stem}' is a word of Python's, and it is to name a file and a class"
    if problem is not None:
        raise UsageError(f"{name!r} is no name for a task: {problem}, as in robot/walk-fast")
    return stem


def _word(text: str) -> str:
    """Return the name of a file as a word of a task's name."""
    return identifier(text, "robot").replace("_", "-")
