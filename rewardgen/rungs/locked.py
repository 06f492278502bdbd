"""A trainer that shares one locked process with its rewards, seen from its owner.

The process announces every call of a reward. One that takes too long, or that it does not survive,
is the end of that reward: the process is killed and a new one begins the rung again without it.
Nothing that comes out is believed: files are looked at only once the process is gone.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

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
from rewardgen.isolation.session import printable
from rewardgen.rewards.findings import Finding
from rewardgen.rungs import locked_trainer
from rewardgen.rungs.folders import remove
from rewardgen.rungs.jobs import LateAnswer, TrainJob, TrainResult, write_job
from rewardgen.rungs.locked_result import Expected, LockedTrainerError
from rewardgen.store.state import SHARED
from rewardgen_envs.task import Task
from rewardgen_policies.recipe import Recipe

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
        inside = Path(tempfile.mkdtemp(prefix="locked-", dir=folder))
        try:
            return _Attempt(job, task, inside, deadlines or Deadlines()).run(folder, report)
        except _RewardAtFault as fault:
            if fault.answer.reward in job.given_up:
                raise LockedTrainerError("a reward was called that had been given up") from fault
            report_late(fault.answer)
            job = job.model_copy(update={"late": (*job.late, fault.answer)})
        except OSError as error:
            raise LockedTrainerError(f"its folder cannot be used: {error}") from error
        finally:
            remove(inside)


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
        self._began = False  # whether any reward has run
        self._done, self._told = 0, 0

    def run(self, folder: Path, report: Callable[[int, int], None]) -> TrainResult:
        """Train, check what came out, and move the checkpoints."""
        start = time.monotonic()
        self._lay_out()
        process = self._started()
        try:
            protection = self._greeted(process)
            report(0, self._steps)
            while not self._heard(process, report):
                pass
        finally:
            process.end()
        result = Expected(self._job, self._task).read(self._inside)
        for member in result.members:
            if member.checkpoint is not None:
                (self._inside / member.checkpoint).replace(folder / member.checkpoint)
        own = tuple(layer for layer in protection.applied if layer != ALWAYS[0])
        wall_s = time.monotonic() - start
        return result.model_copy(update={"isolation": (SHARED, *own), "wall_s": wall_s})

    # ---- the process

    def _lay_out(self) -> None:
        """Fill the folder that the process may write to."""
        from rewardgen_envs.engines.mujoco_warp import kernels_folder

        job = self._job.model_copy(update={"task": _absolute(self._job.task)})
        write_job(self._inside, job)
        kernels = self._inside / locked_trainer.KERNELS
        if kernels_folder().is_dir():  # a copy: it compiles what is not there for itself alone
            with contextlib.suppress(shutil.Error):  # another process may be at work there
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
            raise LockedTrainerError(str(error), lasting=True) from error

    def _greeted(self, process: Executed) -> Protection:
        """Return what protects; no reward has run yet, so that it can be believed."""
        try:
            protection = Protection.reported(process.channel.receive(deadline_in(START_S)))
        except (ChannelClosedError, ChannelTimeoutError, ChannelGarbageError, KeyError) as error:
            words = process.last_words() or repr(error)
            raise LockedTrainerError(f"it did not come up: {words}", lasting=True) from error
        strict = self._job.isolation == "strict" and not protection.complete
        # a host without some layer can read too much; a trainer, which may write, could do harm
        if strict or protection.escapes:
            raise LockedTrainerError(f"its lock is not whole: {protection.gaps}", lasting=True)
        return protection

    def _heard(self, process: Executed, report: Callable[[int, int], None]) -> bool:
        """Take one message; return whether the process says that it is done."""
        message = self._message(process)
        match message.get("event"):
            case "scoring":
                self._begun(message)
            case "scored":
                self._ended()
            case "progress":
                self._went_on(message, report)
            case "done":
                return True
            case "failed":
                said = printable(message.get("message"))
                raise LockedTrainerError(said, lasting=not self._began)
            case _:
                raise LockedTrainerError("it sent what is no message of a trainer")
        return False

    def _message(self, process: Executed) -> Message:
        call = self._current
        allowed = _SILENCE_S if call is None else self._paces[call.reward].allowed_s
        try:
            end = (time.monotonic() if call is None else call.since) + allowed
            if time.monotonic() > end:  # a flood of messages is no answer
                raise ChannelTimeoutError
            return process.channel.receive(end)
        except ChannelTimeoutError:
            raise self._fault("deadline", no_answer(allowed), REMEDY) from None
        except (ChannelClosedError, ChannelGarbageError) as error:
            ending = f"the process ended with status {process.end()}"
            message = f"{ending} while it scored" if call is not None else ending
            raise self._fault("crash", message, "correct the code") from error

    def _begun(self, message: Message) -> None:
        reward = message.get("reward")
        if type(reward) is not int or not 0 <= reward < len(self._calls) or self._current:
            raise LockedTrainerError("it announced a call that cannot be")
        self._began = True
        self._current = _Call(reward, self._calls[reward], time.monotonic())
        self._calls[reward] += 1

    def _ended(self) -> None:
        call = self._current
        if call is None:
            raise LockedTrainerError("it ended a call that cannot be")
        took = time.monotonic() - call.since
        members = sum(member.reward == call.reward for member in self._job.members)
        too_slow = self._paces[call.reward].count(took, took, members * self._recipe.samples)
        if too_slow is not None:
            raise self._fault("throughput", too_slow, REMEDY)
        self._current = None

    def _went_on(self, message: Message, report: Callable[[int, int], None]) -> None:
        """Note one more update, or the first one of a rung that began again for lack of room."""
        done, one = message.get("done"), self._recipe.samples
        if type(done) is not int or done not in (self._done + one, one) or done > self._steps:
            raise LockedTrainerError("it made progress that cannot be")
        self._done = done
        if done > self._told:
            self._told = done
            report(done, self._steps)

    def _fault(self, rule: str, message: str, remedy: str) -> Exception:
        """Return what is raised if the reward that is being scored is at fault, or nobody is."""
        call = self._current
        if call is None:
            return LockedTrainerError(message, lasting=not self._began)
        finding = Finding("host", "runtime", rule, "error", None, message, remedy)
        return _RewardAtFault(
            LateAnswer(reward=call.reward, call=call.number, message=str(finding))
        )


def _absolute(task: str) -> str:
    """Return a reference to a task that holds in any working directory."""
    file, colon, name = task.rpartition(":")
    return f"{Path(file).resolve()}{colon}{name}" if colon else task
