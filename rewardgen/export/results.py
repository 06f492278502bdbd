"""What ``rewardgen export`` does: a result of a run, or a reward file, as a folder.

The folder is whole and verified, or it is not there.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, get_args

from rewardgen.check.pipeline import check_reward
from rewardgen.export.choice import Choice, choose
from rewardgen.export.isaac_lab import isaac_lab_file
from rewardgen.export.policy_files import (
    ABOUT,
    FITNESS,
    PLAY,
    POLICY,
    read_policy,
    write_policy,
)
from rewardgen.export.readme import readme
from rewardgen.export.reward_file import Origin, reward_file
from rewardgen.export.transitions import record_transitions
from rewardgen.export.verification import ExportError, verify
from rewardgen.export.wrapping import Wrapping, too_much
from rewardgen.isolation.host import HostOptions, HostPool
from rewardgen.isolation.protection import Mode
from rewardgen.rewards.findings import RefusedRewardError
from rewardgen.rewards.format import RewardCode, parse_reward, read_source
from rewardgen.rewards.transitions import Transitions
from rewardgen.rewards.wrappers.catalogue import plain
from rewardgen.store.export_records import BindingRecord, ExportRecord, RewardExport
from rewardgen.store.records import ShowRecord
from rewardgen.store.run_directory import RunSnapshot
from rewardgen.store.show import show_record
from rewardgen_envs.base_task import BaseTask
from rewardgen_envs.errors import UsageError
from rewardgen_envs.registry import any_task, load_task
from rewardgen_envs.task import Task
from rewardgen_policies.onnx_export import missing_packages
from rewardgen_policies.recipe import Recipe

Form = Literal["torch", "isaaclab"]
"""What a reward is written for: any code with torch, or Isaac Lab."""
REWARD, README = "reward.py", "README.md"
_FILES: dict[Form, str] = {"torch": REWARD, "isaaclab": "isaaclab_reward.py"}


def export_run(
    run: RunSnapshot,
    out: Path | None,
    *,
    candidate: str | None = None,
    arm: str | None = None,
    member: int | None = None,
    isolation: Mode | None = None,
    form: Form = "torch",
    policy: bool = True,
) -> ExportRecord:
    """Write a reward of a run and a policy trained on it into a folder.

    Args:
        run: the run.
        out: the folder; by default ``export/NAME`` in the run's own.
        candidate: a candidate's id.
        arm: name of an arm; with neither: the winner.
        member: number of a policy of this reward; by default the first.
        isolation: mode of the reward host; by default that of the run.
        form: what the reward is written for.
        policy: whether the policy is written too.

    Raises:
        UsageError: no such candidate, arm or member; there is nothing to write; or the folder is
            not empty.
        NoPolicyError: there is no trained policy.
        ExportError: what was written does not do the same as what it is made from.
        HostUnavailable: no reward host can be started.
        StoreError: an artifact is missing or was changed.
    """
    record = show_record(run)
    choice = choose(record, candidate=candidate, arm=arm, member=member)
    lacking = _lacking(choice)
    if not policy and lacking:
        raise UsageError(lacking)
    # an arm may be called after its reward file's path
    folder = out or run.path / "export" / Path(choice.name).name.removesuffix(".py")
    with _draft(folder) as draft:
        task = load_task(str(record.config["task"]))
        state = read_policy(run.artifacts.path(choice.checkpoint), task)
        rows = record_transitions(task, [state])
        notes = [*choice.notes, *_changes(record, task)]
        reward = trained = None
        if choice.source is not None and not lacking:
            code = parse_reward(choice.source)
            origin = Origin(f"{choice.what}, of run '{record.run}'", record.description)
            around = _wrapping(choice, record)
            with HostPool(HostOptions(mode=isolation or _mode(record))) as hosts:
                reward = _write_reward(draft, code, task, origin, rows, hosts, form, around)
        elif choice.source is not None:
            notes.append(lacking)
        missing = missing_packages()
        if policy and not missing:
            trained = write_policy(draft, record, choice, task, state, rows, _own_fitness(run))
        elif reward is None:
            raise ExportError(f"the policy of {choice.what} takes pip install {' '.join(missing)}")
        elif policy:
            notes.append(f"no policy was written: it takes pip install {' '.join(missing)}")
        return _finish(
            draft,
            record.description,
            ExportRecord(
                folder=str(folder),
                files=_files(draft),
                task=task.name,
                run=record.run,
                name=choice.name,
                reward=reward,
                policy=trained,
                notes=tuple(notes),
            ),
        )


def export_file(
    path: Path,
    task_reference: str,
    out: Path,
    *,
    isolation: Mode | None = None,
    form: Form = "torch",
) -> ExportRecord:
    """Write a reward file as one that stands alone.

    Args:
        path: the reward file.
        task_reference: the task whose features it reads.
        out: the folder.
        isolation: mode of the reward host; by default ``standard``.
        form: what it is written for.

    Raises:
        UsageError: the file cannot be read, the task is unknown, or the folder is not empty.
        RefusedRewardError: the reward does not pass its check.
        ExportError: what was written does not do the same as the file.
        HostUnavailable: no reward host can be started.
    """
    text, task = read_source(path), any_task(task_reference)
    options = HostOptions(mode=isolation or "standard")
    with _draft(out) as draft, HostPool(options) as hosts:
        result = check_reward(text, task.table, task.action, hosts=hosts)
        if result.verdict != "accepted" or result.code is None:
            lines = [f"{path}: {finding}" for finding in result.findings]
            raise RefusedRewardError("\n".join([f"{path} is {result.verdict}", *lines]))
        origin, rows = Origin(f"file {path.name}", task.description), record_transitions(task)
        reward = _write_reward(draft, result.code, task, origin, rows, hosts, form)
        return _finish(
            draft,
            task.description,
            ExportRecord(
                folder=str(out),
                files=_files(draft),
                task=task.name,
                run=None,
                name=path.name,
                reward=reward,
                policy=None,
                notes=(),
            ),
        )


def _lacking(choice: Choice) -> str:
    """Return why no file can hold the reward; empty if one can."""
    if choice.source is None:
        return f"the {choice.name} reward is the task's own and no file"
    if choice.wrapper is None:
        return ""
    return too_much(choice.wrapper)


def _wrapping(choice: Choice, record: ShowRecord) -> Wrapping | None:
    if choice.wrapper is None:
        return None
    return Wrapping(choice.wrapper, Recipe.model_validate(record.recipe).gamma)


@contextmanager
def _draft(folder: Path) -> Generator[Path]:
    """Yield a folder beside the one that is asked for, which takes its name in the end.

    Raises:
        UsageError: there is something already, or the place cannot be written.
    """
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise UsageError(f"{folder} exists and is not empty: remove it, or choose another --out")
    draft = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        draft.chmod(0o755)
        yield draft
        if folder.exists():
            folder.rmdir()
        draft.rename(folder)
    except OSError as error:
        raise UsageError(f"cannot write {folder}: {error.strerror or error}") from error
    finally:
        if draft is not None:
            shutil.rmtree(draft, ignore_errors=True)


def _write_reward(
    folder: Path,
    code: RewardCode,
    task: BaseTask,
    origin: Origin,
    rows: Transitions,
    hosts: HostPool,
    form: Form,
    wrapping: Wrapping | None = None,
) -> RewardExport:
    """Write the reward file and compare it with the reward.

    Raises:
        ExportError: they differ.
    """
    bindings: tuple[BindingRecord, ...] = ()
    if form == "isaaclab":
        made = isaac_lab_file(code, task, origin, wrapping)
        exported, bindings = made.file, made.bindings
    else:
        exported = reward_file(code, task, origin, wrapping=wrapping)
    path = folder / _FILES[form]
    path.write_text(exported.text, encoding="utf-8")
    verified = verify(path, exported, code, task.table, rows, hosts, wrapping)
    return RewardExport(
        file=_FILES[form],
        function=exported.function,
        sha256=code.sha256,
        features=exported.features,
        transitions=verified.transitions,
        max_difference=verified.max_difference,
        bindings=bindings,
        wrapper=None if wrapping is None else plain(wrapping.wrapper),
    )


def _files(draft: Path) -> tuple[str, ...]:
    """Return the names of what was written, as a reader would go through it."""
    known = (*_FILES.values(), POLICY, ABOUT, PLAY, FITNESS)
    return (*(name for name in known if (draft / name).is_file()), README)


def _own_fitness(run: RunSnapshot) -> str | None:
    """Return the user's own fitness file, if the run had one in place of the task's fitness."""
    inputs = run.state.inputs
    if inputs is None or inputs.fitness is None:
        return None
    return run.artifacts.read_text(inputs.fitness)


def _finish(draft: Path, description: str, record: ExportRecord) -> ExportRecord:
    (draft / README).write_text(readme(record, description), encoding="utf-8")
    return record


def _changes(record: ShowRecord, task: Task) -> list[str]:
    """Say that the task is not what it was in the run."""
    notes: list[str] = []
    if task.version != record.task_version:
        notes.append(f"the task is at version {task.version}, in the run at {record.task_version}")
    if task.scene_sha256 != record.scene_sha256:
        notes.append("the task's scene has changed since the run, or MuJoCo writes it differently")
    return notes


def _mode(record: ShowRecord) -> Mode:
    return next(mode for mode in get_args(Mode) if mode == record.isolation.mode)
