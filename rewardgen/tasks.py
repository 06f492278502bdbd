"""Tasks as seen from outside: list them, describe one, check one, start a new one."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean, stdev

from rewardgen.check.mapped import check_mapped
from rewardgen.check.task import check_task as check_class
from rewardgen.report.card import Speed, card
from rewardgen.rewards.findings import Finding
from rewardgen.run.session import mapped_recipe
from rewardgen.rungs.offscreen import RenderError
from rewardgen.rungs.picture import PictureJob, take
from rewardgen.store import parts
from rewardgen.store.atomic import clear_errors, write_file
from rewardgen.store.baselines import DIRECTORY, baseline_file, load_baseline
from rewardgen.store.records import (
    CheckRecord,
    FeatureRecord,
    FitnessRecord,
    TaskListRecord,
    TaskName,
    TaskRecord,
)
from rewardgen_envs.adapters.mapped.map_file import SUFFIXES
from rewardgen_envs.adapters.mapped.starter import PREFIX, starter_map
from rewardgen_envs.adapters.mapped.task import MappedTask
from rewardgen_envs.base_task import BaseTask, BoxAction, TaskError
from rewardgen_envs.errors import UsageError
from rewardgen_envs.registry import any_task, any_task_class, task_names
from rewardgen_envs.task import Task
from rewardgen_policies.evaluation import evaluate_random
from rewardgen_policies.recipe import RecipeError

RANDOM_EPISODES = 20
STANDARD_ERRORS = 2.0


def list_tasks() -> TaskListRecord:
    """Return all installed tasks."""
    return TaskListRecord(tasks=tuple(TaskName(name=name) for name in task_names()))


def describe_task(reference: str) -> TaskRecord:
    """Describe a task.

    Args:
        reference: an installed task's name, ``path/to/file.py:Class``, or ``path/to/map.yaml``.

    Raises:
        UsageError: no such task, or its scene does not compile.
    """
    task = any_task(reference)
    kind, scene_sha256 = type(task), _scene_sha256(task)
    human = task.human_reward
    if human is not None and not human.is_file():
        raise TaskError(f"task '{task.name}': {human} does not exist")
    return TaskRecord(
        name=task.name,
        class_=_place(reference, kind),
        description=task.description,
        version=task.version,
        scene_sha256=scene_sha256,
        human_reward=None if human is None else human.read_text(encoding="utf-8"),
        fitness=tuple(
            FitnessRecord(
                name=metric.name,
                unit=metric.unit,
                direction="higher" if metric.higher_is_better else "lower",
                success=metric.success,
            )
            for metric in task.metrics
        ),
        features=tuple(FeatureRecord.of(feature) for feature in task.table),
        about=inspect.cleandoc(kind.__doc__ or ""),
        control_dt_s=task.control_dt_s,
        episode_s=task.episode_steps * task.control_dt_s,
        action="box" if isinstance(task.action, BoxAction) else "discrete",
        action_size=task.action.size if isinstance(task.action, BoxAction) else task.action.count,
        observation_size=task.observation_size,
        causes=dict(task.causes),
        cameras=tuple(task.views) if isinstance(task, Task) else (),
    )


def write_card(
    reference: str, folder: Path, speeds: Sequence[Speed] = (), *, picture: bool = True
) -> Path:
    """Write a task's card, in Markdown, and a picture of the task beside it.

    Args:
        reference: an installed task's name, or ``path/to/file.py:Class``.
        folder: where to; it is made if it is missing. Baselines are taken from there if they lie
            there, else from the package.
        speeds: of the engines, measured ones only.
        picture: whether to take a new picture; else the one that lies there is shown.

    Raises:
        UsageError: no such task, or its scene does not compile.
        StoreError: nothing can be written to the folder.
    """
    record = describe_task(reference)
    near = baseline_file(record.name, folder)
    directory = folder if near.is_file() else DIRECTORY
    path = near.with_suffix(".md")
    image = near.with_suffix(".jpg")
    with clear_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    if picture:
        try:
            take(PictureJob(task=reference, policies=str(directory), output=str(image)))
        except RenderError as error:
            warnings.warn(str(error), stacklevel=2)
    shown = image.name if image.is_file() else None
    text = card(record, load_baseline(baseline_file(record.name, directory)), speeds, shown)
    write_file(path, text.encode())
    return path


def starter(reference: str) -> str | None:
    """Return a feature map to start from, if the reference is a Gymnasium environment, gym:ID.

    Raises:
        UsageError: the environment cannot be made, or is of no use here.
    """
    if not reference.startswith(PREFIX):
        return None
    return starter_map(reference.removeprefix(PREFIX))


def _place(reference: str, kind: type[BaseTask]) -> str:
    """Return where a task is written: its file, or module and class."""
    written = ".py:" in reference or reference.endswith(SUFFIXES)
    return reference if written else f"{kind.__module__}:{kind.__qualname__}"


def _scene_sha256(task: BaseTask) -> str:
    try:
        return task.scene_sha256
    except UsageError:
        raise
    except Exception as error:
        raise TaskError(f"task '{task.name}': scene() fails: {error}") from error


def check_task(reference: str, train: TrainingTest | None = None) -> CheckRecord:
    """Check the contract of a task and its human reward.

    Args:
        reference: an installed task's name, ``path/to/file.py:Class``, or ``path/to/map.yaml``.
        train: also train the human reward; None never trains.

    Raises:
        UsageError: no such task or file; a file that cannot be read is refused instead.
    """
    try:
        found = any_task_class(reference)
    except TaskError as error:
        is_map = reference.endswith(SUFFIXES) and Path(reference).is_file()
        if error.__cause__ is None and not is_map:
            raise
        return _record([_not_read(error, is_map)])
    findings = list(_mapped(found) if issubclass(found, MappedTask) else _checked(found))
    if train is not None and not _errors(findings):
        findings += train.findings(reference)
    return _record(findings)


def _mapped(found: type[MappedTask]) -> Iterator[Finding]:
    """Check a mapped task, and the settings that its map has for training."""
    findings = check_mapped(found)
    yield from findings
    if _errors(findings):
        return
    try:
        mapped_recipe(found)
    except RecipeError as error:
        yield Finding(
            stage="recipe",
            kind="contract",
            rule="recipe",
            severity="error",
            line=None,
            message=str(error),
            remedy="correct the map's entry 'recipe', or leave it out",
        )


def _checked(found: type[BaseTask]) -> tuple[Finding, ...]:
    assert issubclass(found, Task)
    return check_class(found)


class TrainingTest:
    """The test that a policy trained on the human reward beats random actions.

    Args:
        seeds: policies.
        env_steps: training budget of each, in environment steps.
    """

    def __init__(self, seeds: int = 3, env_steps: int = 300_000) -> None:
        self._seeds = seeds
        self._env_steps = env_steps

    def findings(self, reference: str) -> list[Finding]:
        """Train in a run of its own under ``runs/`` and compare."""
        # the API offers this module's functions, so it can only be imported once both exist
        from rewardgen import api
        from rewardgen.config import train_config

        task = any_task(reference)
        settings = {"task": reference, "seeds": self._seeds, "env_steps": self._env_steps}
        record = api.train(train_config(settings), command=("tasks check --train",))
        trained = [fmean(member.fitness) for member in record.arms[0].members if member.fitness]
        episodes = evaluate_random(task, range(RANDOM_EPISODES)).fitness[task.metric.name][0]
        chance = [float(value) for value in episodes]
        return [] if beats(trained, chance, task) else [_no_better(task, trained, chance)]


def beats(trained: Sequence[float], chance: Sequence[float], task: BaseTask) -> bool:
    """Whether trained policies are better than chance by more than its standard error."""
    if not trained:
        return False
    sign = task.metric.sign
    error = stdev(chance) / len(chance) ** 0.5
    return sign * fmean(trained) > sign * fmean(chance) + STANDARD_ERRORS * error


def _no_better(task: BaseTask, trained: Sequence[float], chance: Sequence[float]) -> Finding:
    reached = f"{fmean(trained):.4g}" if trained else "nothing (all failed)"
    return Finding(
        stage="training",
        kind="contract",
        rule="human-beats-random",
        severity="error",
        line=None,
        message=f"policies trained on the human reward reach {reached} {task.metric.unit} in "
        f"'{task.metric.name}', random actions {fmean(chance):.4g}",
        remedy="look at the reward's terms, or train longer with --env-steps",
    )


def _not_read(error: TaskError, is_map: bool) -> Finding:
    python = "correct the file; `python FILE` shows where it stops"
    return Finding(
        stage="load",
        kind="runtime",
        rule="import",
        severity="error",
        line=getattr(error.__cause__, "lineno", None),
        message=str(error),
        remedy="correct the map; the message says where" if is_map else python,
    )


def _errors(findings: Sequence[Finding]) -> bool:
    return any(finding.severity == "error" for finding in findings)


def _record(findings: Sequence[Finding]) -> CheckRecord:
    return CheckRecord(
        verdict="refused" if _errors(findings) else "accepted",
        findings=tuple(
            parts.Finding(
                stage=finding.stage,
                kind=finding.kind,
                rule=finding.rule,
                severity=finding.severity,
                line=finding.line,
                message=finding.message,
                remedy=finding.remedy,
            )
            for finding in findings
        ),
        # a task and its human reward are the user's own code: nothing keeps them from anything
        isolation=parts.Isolation(mode="none"),
    )
