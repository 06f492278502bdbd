"""Gathered transitions as files, and as the arrays that rewards are compared on.

A file is safetensors with JSON in its header; nothing is pickled. Its hash is that of its bytes:
whoever compares on a file of the same hash compares on the same transitions.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from rewardgen.compare.data_stage import RankedLog
from rewardgen.compare.logged import LoggedTransitions
from rewardgen.rungs.gathering import Gathered
from rewardgen_envs.base_task import BaseTask
from rewardgen_envs.errors import UsageError
from rewardgen_policies.seam import Rollout, Scores

SUFFIX = ".safetensors"
_KEY = "rewardgen-transitions"
_FORMAT = 1


class TransitionFileError(UsageError):
    """Stored transitions cannot be used; says which file and what is wrong."""


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format: int
    task: str
    task_version: int
    scene_sha256: str
    metric: str
    columns: int
    sources: list[str]


def encode(gathered: Gathered, task: BaseTask) -> bytes:
    """Return the content of a file; equal transitions give equal bytes."""
    rollout = gathered.rollout
    facts = _Facts(
        format=_FORMAT,
        task=task.name,
        task_version=task.version,
        scene_sha256=task.scene_sha256,
        metric=task.metric.name,
        columns=task.table.width,
        sources=list(gathered.sources),
    )
    tensors = {
        "state": rollout.state[0],
        "action": rollout.action[0],
        "next_state": rollout.next_state[0],
        "terminated": rollout.terminated[0],
        "truncated": rollout.truncated[0],
        "valid": rollout.valid[0],
        "episode": rollout.episode[0],
        "t": rollout.t[0],
        "source": gathered.source,
        "whole": gathered.whole,
        "fitness": gathered.fitness,
    }
    return save_tensors(tensors, {_KEY: facts.model_dump_json()})


def decode(data: bytes, origin: str, task: BaseTask, gamma: float) -> Gathered:
    """Read the content of a file.

    Args:
        data: the content.
        origin: named in errors.
        task: what the transitions must be of.
        gamma: discount factor of who will be trained.

    Raises:
        TransitionFileError: no such file, or transitions of another task or version of it.
    """
    try:
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        facts = _Facts.model_validate_json(header["__metadata__"][_KEY])
        tensors = load_tensors(data)
    except (ValueError, KeyError, TypeError, ValidationError, SafetensorError) as error:
        raise TransitionFileError(f"{origin} holds no transitions of rewardgen compare") from error
    _require_same(facts, origin, task)
    return _gathered(tensors, facts, task, gamma)


def _require_same(facts: _Facts, origin: str, task: BaseTask) -> None:
    require_version(
        origin, task, name=facts.task, version=facts.task_version, scene_sha256=facts.scene_sha256
    )
    if (facts.columns, facts.metric) != (task.table.width, task.metric.name):
        raise TransitionFileError(
            f"{origin} has {facts.columns} columns and ranks by '{facts.metric}', task "
            f"'{task.name}' has {task.table.width} and ranks by '{task.metric.name}': gather anew"
        )


def require_version(
    origin: str, task: BaseTask, *, name: str, version: int, scene_sha256: str
) -> None:
    """Refuse what was simulated in another task, or in another version of it.

    Raises:
        TransitionFileError: it was.
    """
    if name != task.name:
        raise TransitionFileError(f"{origin} is of task '{name}', not of '{task.name}'")
    if (version, scene_sha256) != (task.version, task.scene_sha256):
        raise TransitionFileError(
            f"{origin} is of version {version} of task '{name}' (scene {scene_sha256[:12]}), the "
            f"task is version {task.version} now (scene {task.scene_sha256[:12]}): what happened "
            "there need not happen here. Leave it out, and transitions are gathered anew"
        )


def _gathered(tensors: dict[str, Tensor], facts: _Facts, task: BaseTask, gamma: float) -> Gathered:
    one = {name: values.unsqueeze(0) for name, values in tensors.items()}
    rollout = Rollout(
        table=task.table,
        state=one["state"],
        next_state=one["next_state"],
        action=one["action"],
        terminated=one["terminated"],
        truncated=one["truncated"],
        valid=one["valid"],
        world=torch.arange(len(tensors["source"])),
        episode=one["episode"],
        t=one["t"],
        gamma=gamma,
    )
    sources = tuple(facts.sources)
    return Gathered(rollout, tensors["source"], sources, tensors["whole"], tensors["fitness"])


@dataclass(frozen=True, eq=False)
class Rows:
    """Which of the (T, W) transitions are compared, episode by episode.

    Attributes:
        index: into the flattened (W, T) transitions, (N,).
    """

    index: NDArray[np.int64]

    def of(self, values: Tensor) -> NDArray[np.float64]:
        """Return numbers (1, T, W) of the transitions, (N,)."""
        flat = values[0].transpose(0, 1).flatten(0, 1)
        return flat.numpy().astype(np.float64)[self.index]


def as_log(gathered: Gathered) -> tuple[RankedLog, Rows]:
    """Return gathered transitions as a log, world after world; invalid ones are left out."""
    rollout = gathered.rollout
    steps, worlds = gathered.whole.shape
    width = rollout.table.public_width

    def flat(values: Tensor) -> NDArray[np.generic]:
        return values.transpose(0, 1).flatten(0, 1).numpy()

    index = np.flatnonzero(flat(rollout.valid[0]))
    world = np.repeat(np.arange(worlds), steps)
    episode = world * (steps + 1) + flat(rollout.episode[0]).astype(np.int64)
    data = LoggedTransitions(
        state=flat(rollout.state[0, ..., :width]).astype(np.float64)[index],
        next_state=flat(rollout.next_state[0, ..., :width]).astype(np.float64)[index],
        terminated=flat(rollout.terminated[0]).astype(bool)[index],
        truncated=flat(rollout.truncated[0]).astype(bool)[index],
        episode=episode[index],
        source=gathered.source.numpy()[world[index]],
        sources=gathered.sources,
        discount=rollout.gamma,
    )
    last = data.starts + data.lengths - 1
    whole = flat(gathered.whole).astype(bool)[index][last]
    fitness = flat(gathered.fitness).astype(np.float64)[index][last]
    return RankedLog(data, whole, fitness), Rows(index)


def rewards_of(scores: Scores, rows: Rows) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return reward (N,) and terms (N, T) of the transitions of a log."""
    terms = [rows.of(values) for values in scores.terms.values()]
    count = len(rows.index)
    return rows.of(scores.reward), np.stack(terms, axis=1) if terms else np.zeros((count, 0))
