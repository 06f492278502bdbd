"""A process working on one run directory: from opening it to a recorded end."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from rewardgen.config import RunConfig, TrainConfig, recipe_path
from rewardgen.isolation.processes import HostUnavailable
from rewardgen.llm.errors import EndpointError
from rewardgen.rewards.fitness import METRIC, FitnessCode, FitnessError
from rewardgen.run.budget import largest_population
from rewardgen.run.display import Display
from rewardgen.run.journal import RunJournal
from rewardgen.run.search import PausedError
from rewardgen.rungs.executor import ExecutorError, LocalExecutor
from rewardgen.rungs.rung import Workshop
from rewardgen.rungs.shares import processes
from rewardgen.store import payloads as p
from rewardgen.store.atomic import clear_errors
from rewardgen.store.errors import StoreError, StoreMovedError
from rewardgen.store.run_directory import RunDirectory
from rewardgen_envs.metrics import Metric
from rewardgen_envs.task import Task
from rewardgen_policies.recipe import Recipe, load_recipe

_STOPPING = (signal.SIGINT, signal.SIGTERM)


class InterruptedRunError(Exception):
    """The run stopped on purpose and can be resumed; carries why, and where the run lies."""

    def __init__(self, reason: str, path: Path) -> None:
        super().__init__(reason)
        self.path = path


class RunFailedError(RuntimeError):
    """The run stopped by an error that no reward is to blame for.

    Attributes:
        path: where the run lies.
        resumable: whether it can go on once the cause is mended.
    """

    def __init__(self, reason: str, path: Path, *, resumable: bool = True) -> None:
        super().__init__(reason)
        self.path = path
        self.resumable = resumable


@dataclass(frozen=True)
class Session:
    """What the program of a run works with.

    Attributes:
        directory: the run, open for writing.
        journal: the search's view of it.
        workshop: trains and evaluates populations.
        task: the task.
        metrics: what ranks, first, and what else is reported: the task's, or the user's own.
        recipe: PPO settings.
        display: what people watch.
        deadline: monotonic time after which no further rung starts, or None.
    """

    directory: RunDirectory
    journal: RunJournal
    workshop: Workshop
    task: Task
    metrics: tuple[Metric, ...]
    recipe: Recipe
    display: Display
    deadline: float | None

    @property
    def metric(self) -> Metric:
        """The metric that ranks."""
        return self.metrics[0]


@contextmanager
def open_session(
    directory: RunDirectory,
    config: RunConfig | TrainConfig,
    task: Task,
    recipe: Recipe,
    display: Display,
    fitness: FitnessCode | None = None,
) -> Generator[Session]:
    """Start the workers of a run; stop them at the end.

    Args:
        directory: the run, open for writing.
        config: its configuration.
        task: its task.
        recipe: PPO settings.
        display: what people watch.
        fitness: the user's own fitness, or None for the task's.
    """
    jobs = directory.path / "jobs"
    shutil.rmtree(jobs, ignore_errors=True)  # of a process that was killed
    journal = RunJournal(directory)
    trainers = processes(largest_population(config), config.threads, config.engines)
    with _removed_at_the_end(jobs), LocalExecutor(jobs, trainers) as executor:
