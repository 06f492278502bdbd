"""A trainer that shares one locked process with its rewards, seen from its owner.

The process announces every call of a reward. One that takes too long, or that it does not survive,
is the end of that reward: the process is killed and a new one begins the rung again without it.
Nothing that comes out is believed: files are looked at only once the process is gone.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

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
from rewardgen.rungs import locked_trainer
from rewardgen.rungs.jobs import LateAnswer, TrainJob, TrainResult, write_job
from rewardgen.rungs.locked_result import Expected, LockedTrainerError, printable
from rewardgen_envs.task import Task
from rewardgen_policies.recipe import Recipe

SHARED = "process shared with its trainer (whose curves are advisory)"
"""Stands in for the layer of a process of its own."""
_SILENCE_S = 3600.0  # whoever gave the job loses patience earlier


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
        start = time.monotonic()
        self._lay_out()
        process = self._started()
        try:
            protection = self._greeted(process)
            while not self._heard(process, report):
                pass
        finally:
            process.end()
        result = Expected(self._job, self._task).read(self._inside)
        for member in result.members:
            if member.checkpoint is not None:
                (self._inside / member.checkpoint).replace(folder / member.checkpoint)
        shutil.rmtree(self._inside)
        own = tuple(layer for layer in protection.applied if layer != ALWAYS[0])
        wall_s = time.monotonic() - start
        return result.model_copy(update={"isolation": (SHARED, *own), "wall_s": wall_s})

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
                raise LockedTrainerError(printable(message.get("message")))
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


def _absolute(task: str) -> str:
    """Return a reference to a task that holds in any working directory."""
    file, colon, name = task.rpartition(":")
    return f"{Path(file).resolve()}{colon}{name}" if colon else task
