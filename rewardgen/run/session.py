"""A process working on one run directory: from opening it to a recorded end."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from rewardgen.config import RunConfig, TrainConfig, mapped_recipe_path, recipe_path
from rewardgen.isolation.processes import HostUnavailable
from rewardgen.llm.errors import EndpointError
from rewardgen.rewards.fitness import METRIC, FitnessCode, FitnessError
from rewardgen.run.budget import largest_population
from rewardgen.run.display import Display
from rewardgen.run.journal import RunJournal
from rewardgen.run.pausing import PausedError
from rewardgen.rungs.executor import ExecutorError, LocalExecutor
from rewardgen.rungs.rung import Workshop
from rewardgen.rungs.shares import processes
from rewardgen.store import parts
from rewardgen.store import payloads as p
from rewardgen.store.atomic import clear_errors
from rewardgen.store.errors import StoreError, StoreMovedError
from rewardgen.store.run_directory import RunDirectory
from rewardgen_envs.adapters.mapped.task import MappedTask
from rewardgen_envs.base_task import BaseTask
from rewardgen_envs.metrics import Metric
from rewardgen_policies.recipe import Recipe, load_recipe, parse_recipe
from rewardgen_policies.sb3.settings import check_settings

if TYPE_CHECKING:
    from rewardgen.rungs.cluster import RayExecutor

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
    task: BaseTask
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
    task: BaseTask,
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
    with _removed_at_the_end(jobs), _executor(config, jobs) as executor:
        workshop = Workshop(
            executor=executor,
            journal=journal,
            task=config.task,
            recipe=recipe.model_dump(mode="json"),
            threads=config.threads,
            engines=config.engines,
            isolation=config.isolation,
            progress=display.progress,
            fitness=None if fitness is None else fitness.source,
        )
        deadline = None
        if config.max_hours is not None:
            deadline = time.monotonic() + config.max_hours * 3600.0
        metrics = metrics_of(task, fitness)
        yield Session(directory, journal, workshop, task, metrics, recipe, display, deadline)


def _executor(
    config: RunConfig | TrainConfig, jobs: Path
) -> AbstractContextManager[LocalExecutor | RayExecutor]:
    """Return who executes the jobs of a run.

    Raises:
        ClusterError: a cluster is asked for that cannot be used.
    """
    if config.cluster is None:
        trainers = processes(largest_population(config), config.threads, config.engines)
        return LocalExecutor(jobs, trainers)
    from rewardgen.rungs.cluster import RayExecutor

    return RayExecutor(jobs, config.cluster, gpu=not config.engines[0].on_cpu)


@contextmanager
def _removed_at_the_end(folder: Path) -> Generator[None]:
    """Remove a folder, however what is done in it ends."""
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def carry_out(directory: RunDirectory, work: Callable[[], None]) -> None:
    """Do the work on a run and record how it ended.

    That a run is finished is the last thing recorded: whatever stops it before, in the writing
    of its report too, leaves a run that can be resumed.

    Args:
        directory: the run, open for writing.
        work: everything the run consists of; repeated, it goes on where it stopped.

    Raises:
        InterruptedRunError: by a signal or a time limit.
        RunFailedError: by an error that no reward is to blame for.
    """
    path = directory.path
    try:
        with _signals_as_interrupts(), _in_place(directory):
            _recorded(directory, work)
    except StoreMovedError as error:
        raise RunFailedError(str(error), path, resumable=False) from error
    except StoreError as error:
        raise RunFailedError(str(error), path) from error


def _recorded(directory: RunDirectory, work: Callable[[], None]) -> None:
    """Do the work and record how it ended; see ``carry_out``."""
    path = directory.path
    try:
        with _clear_errors(path):
            work()
            directory.append(p.RunFinished())
    except KeyboardInterrupt:
        directory.append(p.RunInterrupted(reason="interrupted by the user"))
        raise InterruptedRunError("interrupted", path) from None
    except PausedError as pause:
        directory.append(p.RunInterrupted(reason=str(pause)))
        raise InterruptedRunError(str(pause), path) from None
    except (ExecutorError, HostUnavailable, EndpointError) as error:
        directory.append(p.RunFailed(reason=str(error)))
        raise RunFailedError(str(error), path) from error
    except FitnessError as error:
        directory.append(p.RunFailed(reason=str(error)))
        reason = (
            f"{error}. The run keeps the fitness that it began with, so that its scores can be "
            "compared: mend the file, and start a run of another name"
        )
        raise RunFailedError(reason, path, resumable=False) from error


@contextmanager
def _in_place(directory: RunDirectory) -> Generator[None]:
    """Of whatever fails in a directory that was moved away, tell just that.

    Raises:
        StoreMovedError: it was.
    """
    try:
        yield
    except (StoreError, RunFailedError) as error:
        try:
            directory.require_in_place()
        except StoreMovedError as moved:
            raise moved from error
        raise


@contextmanager
def _signals_as_interrupts() -> Generator[None]:
    """Treat SIGTERM like Ctrl-C: stop between events, leave a resumable run.

    Those that come again change nothing: what the first one began is short.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals go elsewhere
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        del number, frame
        for kind in _STOPPING:
            signal.signal(kind, signal.SIG_IGN)
        raise KeyboardInterrupt

    # what is ignored already, as by a shell for what it runs in the background, stays so
    heeded = [kind for kind in _STOPPING if signal.getsignal(kind) is not signal.SIG_IGN]
    before = {kind: signal.signal(kind, interrupt) for kind in heeded}
    try:
        yield
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)


@contextmanager
def _clear_errors(run: Path) -> Generator[None]:
    """Tell of a file outside the store, such as a job's, what the store tells of its own.

    Raises:
        StoreError: the operating system refused something.
    """
    try:
        yield
    except BrokenPipeError:
        raise  # nobody watches any more
    except OSError as error:
        place = run if error.filename is None else Path(os.fsdecode(error.filename))
        with clear_errors(place, "use"):
            raise


def recipe_of(task: BaseTask, config: RunConfig | TrainConfig) -> Recipe:
    """Return the PPO settings of a run: the chosen ones, the family's, or the defaults.

    A mapped task has settings of its own instead of a family's.

    Raises:
        UsageError: they cannot be read, or are none for what trains this task.
    """
    if isinstance(task, MappedTask):
        return mapped_recipe(type(task), config.recipe)
    path = recipe_path(task.name, config.recipe)
    return Recipe() if path is None else load_recipe(path)


def mapped_recipe(task: type[MappedTask], chosen: Path | None = None) -> Recipe:
    """Return the PPO settings of a mapped task: the chosen ones, or all tasks' with its own.

    Raises:
        UsageError: they cannot be read, or are none for Stable-Baselines3's PPO.
    """
    if chosen is not None:
        recipe = load_recipe(recipe_path(task.name, chosen) or chosen)
    else:
        common = load_recipe(mapped_recipe_path()).model_dump(mode="json")
        recipe = parse_recipe({**common, **task.recipe}, f"recipe of task '{task.name}'")
    check_settings(recipe)
    return recipe


def metrics_of(task: BaseTask, fitness: FitnessCode | None) -> tuple[Metric, ...]:
    """Return what a run measures: the task's metrics, or the user's own alone."""
    return task.metrics if fitness is None else (METRIC,)


def task_facts(task: BaseTask, text: str | None, fitness: FitnessCode | None) -> parts.TaskFacts:
    """Return what a run records of its task, with the user's words and fitness if given."""
    return parts.TaskFacts(
        name=task.name,
        version=task.version,
        description=text or task.description,
        scene_sha256=task.scene_sha256,
        metrics=tuple(
            parts.MetricFacts(
                name=m.name, unit=m.unit, higher_is_better=m.higher_is_better, success=m.success
            )
            for m in metrics_of(task, fitness)
        ),
        environment=task.env if isinstance(task, MappedTask) else "",
    )


def human_source(task: BaseTask) -> str | None:
    """Return the text of the task's human reward; None where the environment's own stands in."""
    path = task.human_reward
    return None if path is None else path.read_text(encoding="utf-8")
