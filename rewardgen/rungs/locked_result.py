"""What a process leaves that trained beside reward code, held against what it may be.

Whatever lies there may have been written by a reward: only plain files are opened, and only what
belongs to the job is taken.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from pydantic import ValidationError

from rewardgen.isolation.session import printable
from rewardgen.rewards.format import parse_reward
from rewardgen.rewards.wrappers.sources import wrapped_sha256
from rewardgen.rungs.jobs import RESULT, MemberResult, TrainJob, TrainResult
from rewardgen.rungs.training import checkpoint_name
from rewardgen_envs.task import Task
from rewardgen_policies.checkpoint import CheckpointError, MemberState, Origin, load_checkpoint
from rewardgen_policies.networks import NetworkSpec
from rewardgen_policies.recipe import Recipe

_MAX_RESULT_BYTES = 2**28
_MOST_QUANTITIES = 200
_MOST = 3.5e38  # of a float32
_QUANTITY = re.compile(r"[\w./]{1,100}")


class LockedTrainerError(RuntimeError):
    """A trainer could not share a locked process with its rewards, and no reward is to blame.

    Args:
        message: why.
        lasting: whether it would be the same with other rewards.
    """

    def __init__(self, message: str, *, lasting: bool = False) -> None:
        super().__init__(message)
        self.lasting = lasting


class Expected:
    """What a job may leave.

    Args:
        job: the job.
        task: of the job, loaded.
    """

    def __init__(self, job: TrainJob, task: Task) -> None:
        self._job = job
        self._task = task
        self._recipe = Recipe.model_validate(job.recipe)
        self._steps = self._recipe.updates(job.env_steps) * self._recipe.samples

    def read(self, folder: Path) -> TrainResult:
        """Return what can be believed of a folder; the process is gone that wrote to it.

        Raises:
            LockedTrainerError: it holds what cannot be.
        """
        try:
            result = RESULT.validate_json(_content(folder / "result.json"))
        except (OSError, ValidationError, RecursionError) as error:
            raise LockedTrainerError("its result cannot be read") from error
        if not isinstance(result, TrainResult) or len(result.members) != len(self._job.members):
            raise LockedTrainerError("its result is not that of the job")
        updates = self._recipe.updates(self._job.env_steps)
        curves = result.curves
        if len(curves) != len(result.members) or not all(_is_curve(c, updates) for c in curves):
            raise LockedTrainerError("its curves are none")
        members = tuple(self._member(folder, i, said) for i, said in enumerate(result.members))
        spent = sum(member.env_steps for member in members)
        return result.model_copy(update={"members": members, "env_steps": spent})

    def _member(self, folder: Path, index: int, said: MemberResult) -> MemberResult:
        """Return what can be believed of a member.

        Raises:
            LockedTrainerError: its checkpoint is not that of the member.
        """
        if said.checkpoint is None:
            return MemberResult(
                checkpoint=None,
                env_steps=max(0, min(said.env_steps, self._steps)),
                failure=printable(said.failure) or "it failed, and did not say why",
            )
        name = checkpoint_name(index)
        path = folder / name
        try:
            _require_file(path)
            state = load_checkpoint(path)
        except (OSError, CheckpointError) as error:
            raise LockedTrainerError(f"its checkpoint of member {index} is none") from error
        if not self._is_of(index, state):
            raise LockedTrainerError(f"its checkpoint of member {index} is another's")
        return MemberResult(checkpoint=name, env_steps=self._steps)

    def _is_of(self, index: int, state: MemberState) -> bool:
        """Tell whether a checkpoint is of a member of the job, and of its networks."""
        member = self._job.members[index]
        reward = self._job.rewards[member.reward]
        origin = Origin(
            task=self._task.name,
            task_version=self._task.version,
            seed=member.seed,
            source_sha256=wrapped_sha256(parse_reward(reward.source).sha256, reward.wrapper),
            recipe_sha256=self._recipe.sha256,
        )
        spec = NetworkSpec.of(self._task, self._recipe.hidden)
        return state.origin == origin and state.spec == spec


def _content(path: Path) -> bytes:
    """Read a file that may be anything, or enormous.

    Raises:
        OSError: it is no plain file of reasonable size.
    """
    _require_file(path)
    return path.read_bytes()


def _require_file(path: Path) -> None:
    found = os.lstat(path)
    if not stat.S_ISREG(found.st_mode) or found.st_size > _MAX_RESULT_BYTES:
        raise OSError(f"{path.name} is no plain file of reasonable size")


def _is_curve(curve: dict[str, list[float | None]], updates: int) -> bool:
    """Tell whether each quantity has a number for each of the first updates."""
    steps = curve.get("env_steps", [])
    whole = all(v is not None and 0.0 <= v <= _MOST for v in steps)
    return (
        whole
        and len(steps) <= updates
        and len(curve) <= _MOST_QUANTITIES
        and all(map(_QUANTITY.fullmatch, curve))
        and all(len(values) == len(steps) for values in curve.values())
        and all(v is None or abs(v) <= _MOST for values in curve.values() for v in values)
    )
