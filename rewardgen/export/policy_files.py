"""A policy in an exported folder: ``policy.onnx``, what there is to know of it, and a script."""

from __future__ import annotations

import shutil
from importlib.metadata import version
from pathlib import Path

from rewardgen.export import play
from rewardgen.export.choice import Choice
from rewardgen.export.layout import action_columns, observation_columns
from rewardgen.export.verification import ExportError
from rewardgen.rewards.format import parse_reward
from rewardgen.rewards.transitions import Transitions
from rewardgen.store.export_records import EpisodesRecord, PolicyExport, PolicyRecord
from rewardgen.store.records import FeatureRecord, ShowRecord
from rewardgen_envs.task import BoxAction, Task
from rewardgen_policies.checkpoint import CheckpointError, MemberState, load_checkpoint
from rewardgen_policies.networks import NetworkSpec
from rewardgen_policies.normalizer import CLIP
from rewardgen_policies.onnx_export import (
    INPUT,
    OUTPUT,
    OnnxMismatchError,
    check_onnx,
    export_onnx,
)

POLICY, ABOUT, PLAY, FITNESS = "policy.onnx", "policy.json", "play.py", "fitness.py"
_DISTRIBUTIONS = ("rewardgen-lab", "torch", "mujoco", "onnx", "onnxruntime")


def read_policy(path: Path, task: Task) -> MemberState:
    """Read a checkpoint.

    Raises:
        CheckpointError: it cannot be read, or its networks are not those that the task needs now.
    """
    state = load_checkpoint(path)
    needed = NetworkSpec.of(task, state.spec.hidden)
    if state.spec != needed:
        raise CheckpointError(
            f"the policy has networks {state.spec}, task '{task.name}' now needs {needed}: "
            "restore the task as it was in the run"
        )
    return state


def write_policy(
    folder: Path,
    record: ShowRecord,
    choice: Choice,
    task: Task,
    state: MemberState,
    rows: Transitions,
    own_fitness: str | None,
) -> PolicyExport:
    """Write the policy's files.

    Args:
        folder: where to.
        record: the run.
        choice: what of it is exported.
        task: the run's task.
        state: the policy.
        rows: transitions of the task, whose observations it is compared on.
        own_fitness: the user's fitness file, if the run was evaluated by one.

    Raises:
        ExportError: the written file does not act as the policy does.
    """
    export_onnx(state, folder / POLICY)
    observations = task.observation(task.table.view(rows.state))
    try:
        difference = check_onnx(state, folder / POLICY, observations)
    except OnnxMismatchError as error:
        raise ExportError(str(error)) from error
    about = _about(record, choice, task, state)
    (folder / ABOUT).write_text(about.model_dump_json(indent=2) + "\n", encoding="utf-8")
    shutil.copyfile(str(play.__file__), folder / PLAY)
    if own_fitness is not None:
        (folder / FITNESS).write_text(own_fitness, encoding="utf-8")
    return PolicyExport(
        file=POLICY,
        member=about.member,
        train_seed=about.train_seed,
        checkpoint_sha256=about.checkpoint_sha256,
        evaluation=about.evaluation,
        observations=len(observations),
        max_difference=difference,
    )


def _about(record: ShowRecord, choice: Choice, task: Task, state: MemberState) -> PolicyRecord:
    """Return the content of policy.json."""
    policy, action, metric = choice.policy, task.action, record.fitness[0]
    observation = observation_columns(task, state)
    return PolicyRecord(
        file=POLICY,
        input=INPUT,
        output=OUTPUT,
        observation=observation,
        features=_features(task, {name for column in observation for name in column.depends_on}),
        observation_clip=CLIP,
        action="box" if isinstance(action, BoxAction) else "discrete",
        action_size=action.size if isinstance(action, BoxAction) else action.count,
        action_columns=action_columns(task),
        control_dt_s=task.control_dt_s,
        task=_reference(str(record.config["task"])),
        task_version=task.version,
        scene_sha256=task.scene_sha256,
        description=record.description,
        run=record.run,
        reward=choice.name,
        reward_sha256=None if choice.source is None else parse_reward(choice.source).sha256,
        member=choice.member,
        train_seed=policy.train_seed,
        env_steps=policy.checkpoint_step,
        checkpoint_sha256=choice.checkpoint,
        evaluation=EpisodesRecord(
            metric=metric.name,
            unit=metric.unit,
            eval_seeds=policy.eval_seeds,
            fitness=policy.fitness,
            confirmed=choice.confirmed,
        ),
        versions={name: version(name) for name in _DISTRIBUTIONS},
    )


def _features(task: Task, names: set[str]) -> tuple[FeatureRecord, ...]:
    return tuple(FeatureRecord.of(feature) for feature in task.table if feature.name in names)


def _reference(task: str) -> str:
    """Return a task's reference such that it holds in any working directory."""
    file_name, colon, class_name = task.rpartition(":")
    return f"{Path(file_name).resolve()}{colon}{class_name}" if ".py:" in task else task
