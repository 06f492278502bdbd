"""A trainer that shares one locked process with its rewards, seen from its owner.

The process announces every call of a reward. One that takes too long, or that it does not survive,
is the end of that reward: the process is killed and a new one begins the rung again without it.
Nothing that comes out is believed: files are looked at only once the process is gone.
"""

from __future__ import annotations

import math
import os
import re
import shutil
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from pydantic import ValidationError

from rewardgen.isolation.channel import (
    ChannelClosedError,
    ChannelGarbageError,
    ChannelTimeoutError,
    Message,
    deadline_in,
)
from rewardgen.isolation.computing import trainer_confines
from rewardgen.isolation.environment import of_locked_trainers
from rewardgen.isolation.pace import REMEDY, Deadlines, Pace, no_answer
from rewardgen.isolation.processes import START_S, Executed, HostUnavailable
from rewardgen.isolation.protection import ALWAYS, Protection
from rewardgen.rewards.findings import Finding
from rewardgen.rewards.format import parse_reward
from rewardgen.rungs import locked_trainer
from rewardgen.rungs.jobs import (
    RESULT,
    LateAnswer,
    MemberResult,
    TrainJob,
    TrainResult,
    write_job,
)
from rewardgen.rungs.training import checkpoint_name, trusted
from rewardgen_envs.task import Task
from rewardgen_policies.checkpoint import CheckpointError, MemberState, Origin, load_checkpoint
from rewardgen_policies.networks import NetworkSpec
from rewardgen_policies.recipe import Recipe

SHARED = "process shared with its trainer (whose curves are advisory)"
"""Stands in for the layer of a process of its own."""
_SILENCE_S = 3600.0  # whoever gave the job loses patience earlier
_MAX_RESULT_BYTES = 2**28
_MAX_MESSAGE = 600
_QUANTITY = re.compile(r"[\w./]{1,100}")


class LockedTrainerError(RuntimeError):
    """A trainer could not share a locked process with its rewards, and no reward is to blame."""


class _RewardAtFault(Exception):
    """A reward took too long, or took the process with it."""

    def __init__(self, answer: LateAnswer) -> None:
        super().__init__(answer.message)
        self.answer = answer


@dataclass
class _Call:
    """The call of a reward that is going on."""

    reward: int
    number: int
    since: float


def train_locked(
    job: TrainJob,
    task: Task,
    folder: Path,
    report: Callable[[int, int], None],
    report_late: Callable[[LateAnswer], None],
    deadlines: Deadlines | None = None,
) -> TrainResult:
    """Train a rung beside its rewards, in a process that is locked as far as its device allows.

    Args:
        job: what to train.
        task: of the job, loaded.
        folder: where checkpoints go.
        report: told the environment steps done and to do per member.
        report_late: told of every reward that is given up.
        deadlines: how long rewards may take.

    Raises:
        LockedTrainerError: the process failed, through no fault of a reward that can be named.
    """
    while True:
        attempt = _Attempt(job, task, folder / "locked", deadlines or Deadlines())
        try:
            return attempt.run(folder, report)
        except _RewardAtFault as fault:
            report_late(fault.answer)
            job = job.model_copy(update={"late": (*job.late, fault.answer)})


class _Attempt:
    """One process, from its start to its end."""

    def __init__(self, job: TrainJob, task: Task, inside: Path, deadlines: Deadlines) -> None:
        self._job = job
        self._task = task
        self._inside = inside
        self._recipe = Recipe.model_validate(job.recipe)
        self._steps = self._recipe.updates(job.env_steps) * self._recipe.samples
        self._paces = [Pace(deadlines) for _ in job.rewards]
        self._calls = [0] * len(job.rewards)
        self._current: _Call | None = None
        self._done = 0

    def run(self, folder: Path, report: Callable[[int, int], None]) -> TrainResult:
        """Train, check what came out, and move the checkpoints."""
        self._lay_out()
        process = self._started()
        try:
            protection = self._greeted(process)
            while not self._heard(process, report):
                pass
        finally:
            process.end()
        result = self._checked(protection)
        for member in result.members:
            if member.checkpoint is not None:
                (self._inside / member.checkpoint).replace(folder / member.checkpoint)
        shutil.rmtree(self._inside)
        return result

    # ---- the process

    def _lay_out(self) -> None:
        """Fill the folder that the process may write to."""
        from rewardgen_envs.engines.mujoco_warp import kernels_folder

        shutil.rmtree(self._inside, ignore_errors=True)
        job = self._job.model_copy(update={"task": _absolute(self._job.task)})
        write_job(self._inside, job)
        kernels = self._inside / locked_trainer.KERNELS
        if kernels_folder().is_dir():  # a copy: it compiles what is not there for itself alone
            shutil.copytree(kernels_folder(), kernels)

    def _started(self) -> Executed:
        scratch = str(self._inside)
        starts = [m.checkpoint for m in self._job.members if m.checkpoint is not None]
        confines = trainer_confines(self._job.engines[0].device, starts, scratch)
        given = of_locked_trainers(scratch)
        try:
            return Executed(
                locked_trainer.__name__, self._job.isolation, confines, given, folder=scratch
            )
        except HostUnavailable as error:
            raise LockedTrainerError(str(error)) from error

    def _greeted(self, process: Executed) -> Protection:
        """Return what protects; no reward has run yet, so that it can be believed."""
        try:
            protection = Protection.reported(process.channel.receive(deadline_in(START_S)))
        except (ChannelClosedError, ChannelTimeoutError, ChannelGarbageError, KeyError) as error:
            words = process.last_words() or repr(error)
            raise LockedTrainerError(f"it did not come up: {words}") from error
        if self._job.isolation == "strict" and not protection.complete:
            raise LockedTrainerError(f"its lock is not whole: {protection.gaps}")
        return protection

    def _heard(self, process: Executed, report: Callable[[int, int], None]) -> bool:
        """Take one message; return whether the process says that it is done."""
        message = self._message(process)
        match message.get("event"):
            case "scoring":
                self._begun(message)
            case "scored":
                self._ended(message)
            case "progress":
                done = message.get("done")
                if type(done) is int and self._done < done <= self._steps:
                    self._done = done
                    report(done, self._steps)
            case "done":
                return True
            case "failed":
                raise LockedTrainerError(_printable(message.get("message")))
            case _:
                raise LockedTrainerError("it sent what is no message of a trainer")
        return False

    def _message(self, process: Executed) -> Message:
        call = self._current
        allowed = _SILENCE_S if call is None else self._paces[call.reward].allowed_s
        try:
            since = time.monotonic() if call is None else call.since
            return process.channel.receive(since + allowed)
        except ChannelTimeoutError:
            raise self._fault("deadline", no_answer(allowed), REMEDY) from None
        except (ChannelClosedError, ChannelGarbageError) as error:
            ending = f"the process ended with status {process.end()}"
            message = f"{ending} while it scored" if call is not None else ending
            raise self._fault("crash", message, "correct the code") from error

    def _begun(self, message: Message) -> None:
        reward, number = message.get("reward"), message.get("call")
        known = type(reward) is int and 0 <= reward < len(self._calls)
        if not known or self._current is not None:
            raise LockedTrainerError("it announced a call that cannot be")
        reward = cast(int, reward)
        if type(number) is not int or number < self._calls[reward]:
            raise LockedTrainerError("it announced a call that cannot be")
        self._calls[reward] = number + 1
        self._current = _Call(reward, number, time.monotonic())

    def _ended(self, message: Message) -> None:
        call, rows = self._current, message.get("rows")
        if call is None or type(rows) is not int or not 0 <= rows <= 2**31:
            raise LockedTrainerError("it ended a call that cannot be")
        took = time.monotonic() - call.since
        too_slow = self._paces[call.reward].count(took, took, rows)
        if too_slow is not None:
            raise self._fault("throughput", too_slow, REMEDY)
        self._current = None

    def _fault(self, rule: str, message: str, remedy: str) -> Exception:
        """Return what is raised if the reward that is being scored is at fault, or nobody is."""
        call = self._current
        if call is None:
            return LockedTrainerError(message)
        finding = Finding("host", "runtime", rule, "error", None, message, remedy)
        return _RewardAtFault(
            LateAnswer(reward=call.reward, call=call.number, message=str(finding))
        )

    # ---- what came out

    def _checked(self, protection: Protection) -> TrainResult:
        """Read what the process left and hold it against what it may say.

        Raises:
            LockedTrainerError: it says what cannot be.
        """
        try:
            result = RESULT.validate_json(_content(self._inside / "result.json"))
        except (OSError, ValidationError) as error:
            raise LockedTrainerError("its result cannot be read") from error
        if not isinstance(result, TrainResult) or len(result.members) != len(self._job.members):
            raise LockedTrainerError("its result is not that of the job")
        if len(result.curves) != len(result.members) or not all(map(_is_curve, result.curves)):
            raise LockedTrainerError("its curves are none")
        own = tuple(layer for layer in protection.applied if layer != ALWAYS[0])
        members = tuple(self._member(i, member) for i, member in enumerate(result.members))
        return result.model_copy(
            update={
                "members": members,
                "env_steps": sum(member.env_steps for member in members),
                "isolation": (SHARED, *own),
            }
        )

    def _member(self, index: int, said: MemberResult) -> MemberResult:
        """Return what can be believed of a member.

        Raises:
            LockedTrainerError: its checkpoint is not that of the member.
        """
        if said.checkpoint is None:
            return MemberResult(
                checkpoint=None,
                env_steps=max(0, min(said.env_steps, self._steps)),
                failure=_printable(said.failure) or "it failed, and did not say why",
            )
        name = checkpoint_name(index)
        path = self._inside / name
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
        origin = Origin(
            task=self._task.name,
            task_version=self._task.version,
            seed=member.seed,
            source_sha256=self._sha256(member.reward),
            recipe_sha256=self._recipe.sha256,
        )
        spec = NetworkSpec.of(self._task, self._recipe.hidden)
        return state.origin == origin and state.spec == spec

    def _sha256(self, index: int) -> str:
        reward = self._job.rewards[index]
        if reward.kind == "code":
            return parse_reward(reward.source).sha256
        return trusted(reward, self._task).spec.sha256


def _absolute(task: str) -> str:
    """Return a reference to a task that holds in any working directory."""
    file, colon, name = task.rpartition(":")
    return f"{Path(file).resolve()}{colon}{name}" if colon else task


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


def _is_curve(curve: dict[str, list[float | None]]) -> bool:
    return all(
        _QUANTITY.fullmatch(name) and all(v is None or math.isfinite(v) for v in values)
        for name, values in curve.items()
    )


def _printable(text: object) -> str:
    if not isinstance(text, str):
        return ""
    return "".join(c if c.isprintable() else " " for c in text[:_MAX_MESSAGE])
