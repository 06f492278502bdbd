"""Finding tasks: the group ``rewardgen.tasks``, ``path/to/file.py:Class``, ``path/to/map.yaml``."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

from rewardgen_envs.adapters.mapped.map_file import SUFFIXES, read_map
from rewardgen_envs.adapters.mapped.starter import PREFIX
from rewardgen_envs.base_task import BaseTask, TaskError
from rewardgen_envs.names import nearest
from rewardgen_envs.randomization import MARK, parse_randomization, randomized
from rewardgen_envs.task import Task
from rewardgen_envs.task_file import load_module

GROUP = "rewardgen.tasks"


def _entries() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def task_names() -> list[str]:
    """Return the names of all installed tasks, sorted."""
    return sorted(_entries())


def any_task_class(reference: str) -> type[BaseTask]:
    """Return the class of a task, whatever simulates it.

    Args:
        reference: an installed task's name, ``path/to/file.py:Class``, or ``path/to/map.yaml``;
            behind an ``@`` may stand how far the worlds of the first two differ:
            ``ant/run@mass=0.2,friction=0.3``.

    Raises:
        TaskError: nothing of that name; lists what there is.
        UsageError: worlds cannot differ in this way.
    """
    plain, mark, options = reference.rpartition(MARK)
    if mark and "/" not in options:  # a folder's name may hold one, too
        return randomized(task_class(plain), parse_randomization(options))
    if ".py:" in reference:
        return _from_file(reference)
    if reference.endswith(".py"):
        raise TaskError(_without_class(reference))
    if reference.endswith(SUFFIXES):
        return _from_map(reference)
    if reference.startswith(PREFIX):
        raise TaskError(
            f"'{reference}' has no feature map yet: 'rewardgen tasks show {reference} > map.yaml' "
            "prints one to start from, and --task map.yaml takes it"
        )
    entries = _entries()
    if reference not in entries:
        raise TaskError(f"unknown task '{reference}'{nearest(reference, entries)}")
    return _checked(entries[reference].load(), reference)


def any_task(reference: str) -> BaseTask:
    """Return a task by name, file or map, whatever simulates it.

    Raises:
        TaskError: nothing of that name, or it is no task.
    """
    return any_task_class(reference)()


def task_class(reference: str) -> type[Task]:
    """Return the class of a task that MuJoCo's engines simulate.

    Raises:
        TaskError: nothing of that name, or it is somebody else's environment.
    """
    found = any_task_class(reference)
    if not issubclass(found, Task):
        raise TaskError(
            f"'{reference}' is a Gymnasium environment with a map of its features; this needs a "
            "task with a MuJoCo scene of its own"
        )
    return found


def load_task(reference: str) -> Task:
    """Return a task that MuJoCo's engines simulate.

    Raises:
        TaskError: nothing of that name, or it is somebody else's environment.
    """
    return task_class(reference)()


def _from_file(reference: str) -> type[BaseTask]:
    file_name, _, class_name = reference.rpartition(":")
    module = _module(file_name)
    found = getattr(module, class_name, None)
    if found is None:
        tasks = _tasks_in(module)
        if not tasks:
            raise TaskError(
                f"{file_name} defines no task class: write class {class_name}(Task), see "
                "docs/add-a-task.md, or name an installed task"
            )
        raise TaskError(f"{file_name} has no class '{class_name}'{nearest(class_name, tasks)}")
    return _checked(found, reference)


def _without_class(file_name: str) -> str:
    """Return what to say to somebody who named a file, but none of its classes."""
    tasks = _tasks_in(_module(file_name))
    if not tasks:
        return f"{file_name} defines no task class: see docs/add-a-task.md"
    valid = ", ".join(sorted(tasks))
    return f"name its class as well: '{file_name}:{tasks[0]}'. Valid: {valid}"


def _module(file_name: str) -> ModuleType:
    path = Path(file_name).resolve()
    if not path.is_file():
        raise TaskError(f"task file {file_name} does not exist")
    return load_module(path)


def _tasks_in(module: ModuleType) -> list[str]:
    """Return the names of the task classes that a module defines, in its order."""
    return [
        n
        for n, v in vars(module).items()
        if isinstance(v, type) and issubclass(v, BaseTask) and v.__module__ == module.__name__
    ]


def _from_map(reference: str) -> type[BaseTask]:
    path = Path(reference)
    if not path.is_file():
        raise TaskError(f"map {reference} does not exist")
    return read_map(path)


def _checked(found: object, reference: str) -> type[BaseTask]:
    if not (isinstance(found, type) and issubclass(found, BaseTask)):
        raise TaskError(f"'{reference}' is not a subclass of rewardgen_envs.task.Task")
    return found
