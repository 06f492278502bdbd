"""Trains rungs in a worker process, and decides where their rewards run."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from rewardgen.isolation.host import HostOptions, HostPool
from rewardgen.isolation.processes import HostUnavailable
from rewardgen.isolation.protection import Mode
from rewardgen.rewards.format import parse_reward
from rewardgen.rewards.wrappers.sources import wrapped
from rewardgen.rungs.deadlines import TimedHost
from rewardgen.rungs.jobs import LateAnswer, TrainJob, TrainResult
from rewardgen.rungs.locked import train_locked
from rewardgen.rungs.locked_result import LockedTrainerError
from rewardgen.rungs.training import train_job, trusted
from rewardgen_envs.base_task import BaseTask
from rewardgen_envs.registry import any_task
from rewardgen_envs.task import Task
from rewardgen_policies.seam import RewardSource

_LOG = logging.getLogger(__name__)


class Trainer:
    """Trains rungs: beside their rewards in a locked process, or with a host for each.

    Args:
        report: told the environment steps done and to do per member.
        report_late: told of a reward that missed a deadline.
        stack: ends the hosts.
    """

    def __init__(
        self,
        report: Callable[[int, int], None],
        report_late: Callable[[LateAnswer], None],
        stack: ExitStack,
    ) -> None:
        self._report = report
        self._report_late = report_late
        self._stack = stack
        self._pools: dict[str, HostPool] = {}
        self._together = True

    def train(self, job: TrainJob, directory: Path) -> TrainResult:
        """Train a rung and save its checkpoints into the job directory.

        Raises:
            HostUnavailable: no process for a reward can be started.
        """
        task = any_task(job.task)
        fired: list[LateAnswer] = []

        def report_late(answer: LateAnswer) -> None:
            fired.append(answer)
            self._report_late(answer)

        if job.shares_process and self._together and isinstance(task, Task):
            try:
                return train_locked(job, task, directory, self._report, report_late)
            except LockedTrainerError as error:
                _LOG.warning("rewards get processes of their own: %s", error)
                self._together = not error.lasting
                job = job.model_copy(update={"late": (*job.late, *fired)})
        pool = self._pool(job.isolation)
        try:
            sources = self._sources(job, task, pool)
            result = train_job(job, task, sources, directory, self._report)
            return result.model_copy(update={"isolation": pool.applied})
        except HostUnavailable:
            self._pools.pop(job.isolation).close()
            raise
        finally:
            pool.release()

    def _pool(self, mode: Mode) -> HostPool:
        """Return what starts hosts; kept, because starting it takes two seconds."""
        if mode not in self._pools:
            self._pools[mode] = self._stack.enter_context(HostPool(HostOptions(mode=mode)))
        return self._pools[mode]

    def _sources(self, job: TrainJob, task: BaseTask, pool: HostPool) -> list[RewardSource]:
        sources: list[RewardSource] = []
        for index, reward in enumerate(job.rewards):
            if reward.kind != "code":
                sources.append(wrapped(trusted(reward, task), reward.wrapper))
                continue
            host = pool.open(parse_reward(reward.source), task.table, reward.name)
            report = partial(self._report_call, index)
            timed = TimedHost(host, job.given_up.get(index), report)
            sources.append(wrapped(timed, reward.wrapper))
        return sources

    def _report_call(self, reward: int, call: int, message: str) -> None:
        self._report_late(LateAnswer(reward=reward, call=call, message=message))
