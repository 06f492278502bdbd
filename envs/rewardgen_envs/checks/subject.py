"""The task under test: its instances, its data and where its code stands."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from rewardgen_envs.checks.endings import Ending, endings
from rewardgen_envs.checks.finding import TaskFinding
from rewardgen_envs.checks.plays import Play, kicked_play, random_play
from rewardgen_envs.task import Task


class Subject:
    """One task class under test.

    Properties share one instance and the data that was played with it; those that look for
    hidden state make instances of their own.
    """

    def __init__(self, task_class: Callable[[], Task]) -> None:
        self.task_class = task_class
        self.task: Task = task_class()

    def fresh(self) -> Task:
        """Return an instance that nothing has been done with, but that shares the scene.

        Compiling a robot's meshes takes seconds; the scene is constant, which ``scene`` checks.
        """
        task = self.task_class()
        compiled = vars(self.task).get("_compiled")
        if compiled is not None:
            vars(task)["_compiled"] = compiled
        return task

    @cached_property
    def random(self) -> Play:
        """Episodes under random actions of several styles."""
        return random_play(self.task)

    @cached_property
    def kicked(self) -> Play:
        """Episodes whose positions and velocities are displaced at random now and then."""
        return kicked_play(self.task)

    @cached_property
    def endings(self) -> tuple[Ending, ...]:
        """Last steps of episodes, by each cause of termination."""
        return endings(self.fresh)

    @cached_property
    def rows(self) -> Tensor:
        """Features (R, F) of all valid states that were met, after resets and steps."""
        return torch.cat([play.visited() for play in (self.random, self.kicked)])

    def line(self, method: str) -> int | None:
        """Return the line of a method of the task, unless the base class wrote it."""
        function: Any = getattr(type(self.task), method, None)
        code = getattr(inspect.unwrap(function), "__code__", None) if function else None
        base: Any = getattr(Task, method, None)
        if code is None or code is getattr(base, "__code__", None):
            return None
        return int(code.co_firstlineno)

    def files(self) -> set[str]:
        """Return the files in which the task and its base classes are written."""
        owners = [c for c in type(self.task).__mro__ if issubclass(c, Task) and c is not Task]
        modules = [sys.modules.get(owner.__module__) for owner in owners]
        return {str(getattr(module, "__file__", "")) for module in modules}

    def broken(self, stage: str, rule: str, method: str, message: str, remedy: str) -> TaskFinding:
        """Return the finding that a method of the task breaks the contract."""
        return TaskFinding(
            stage=stage,
            kind="contract",
            rule=rule,
            severity="error",
            line=self.line(method),
            message=f"task '{self.task.name}': {message}",
            remedy=remedy,
        )
