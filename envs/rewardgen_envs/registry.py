"""Finding tasks: the entry-point group ``rewardgen.tasks``, or ``path/to/file.py:Class``."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

from rewardgen_envs.names import nearest
from rewardgen_envs.randomization import MARK, parse_randomization, randomized
from rewardgen_envs.task import Task, TaskError

GROUP = "rewardgen.tasks"


def _entries() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def task_names() -> list[str]:
    """Return the names of all installed tasks, sorted."""
    return sorted(_entries())


def task_class(reference: str) -> type[Task]:
    """Return the class of a task.

    Args:
        reference: an installed task's name, or ``path/to/file.py:Class``; behind an ``@`` may
            stand how far its worlds differ: ``ant/run@mass=0.2,friction=0.3``.

    Raises:
        TaskError: nothing of that name; lists what there is.
        UsageError: worlds cannot differ in this way.
    """
    plain, mark, options = reference.rpartition(MARK)
    if mark and "/" not in options:  # a folder's name may hold one, too
        return randomized(task_class(plain), parse_randomization(options))
    if ".py:" in reference:
        return _from_file(reference)
    entries = _entries()
    if reference not in entries:
        raise TaskError(f"unknown task '{reference}'{nearest(reference, entries)}")
    return _checked(entries[reference].load(), reference)


def load_task(reference: str) -> Task:
    """Return a task by name or ``path/to/file.py:Class``.

    Raises:
        TaskError: nothing of that name, or it is no task.
    """
    return task_class(reference)()


def _from_file(reference: str) -> type[Task]:
    file_name, _, class_name = reference.rpartition(":")
    path = Path(file_name).resolve()
    if not path.is_file():
        raise TaskError(f"task file {file_name} does not exist")
    module = _load_module(path)
    found = getattr(module, class_name, None)
    if found is None:
        tasks = [n for n, v in vars(module).items() if isinstance(v, type) and issubclass(v, Task)]
        if not tasks:
            raise TaskError(
                f"{file_name} defines no task class: write class {class_name}(Task), see "
                "docs/add-a-task.md, or name an installed task"
            )
        raise TaskError(f"{file_name} has no class '{class_name}'{nearest(class_name, tasks)}")
    return _checked(found, reference)


def _load_module(path: Path) -> ModuleType:
    name = f"rewardgen_task_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise TaskError(f"{path} cannot be imported as Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise TaskError(f"{path} fails on import: {type(error).__name__}: {error}") from error
    return module


def _checked(found: object, reference: str) -> type[Task]:
    if not (isinstance(found, type) and issubclass(found, Task)):
        raise TaskError(f"'{reference}' is not a subclass of rewardgen_envs.task.Task")
    return found
