"""A trainer that shares one locked process with its rewards: what runs in there.

On a GPU transitions then stay where they are. All that has to be read is read before the lock;
reward code is compiled after it. What this process says of itself can be relied on no more than the
code in it: its owner checks whatever comes out, and fitness is measured elsewhere.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch

from rewardgen.isolation import worker
from rewardgen.isolation.channel import Channel, deadline_in
from rewardgen.isolation.memories import forget_packages
from rewardgen.isolation.protection import Protection
from rewardgen.rewards.code import raised
from rewardgen.rewards.format import parse_reward
from rewardgen.rewards.inline import InlineReward
from rewardgen.rewards.wrappers.sources import wrapped
from rewardgen.rungs.jobs import LateAnswer, RewardRef, TrainJob, read_job, write_result
from rewardgen.rungs.training import train_job
from rewardgen_envs.registry import load_task
from rewardgen_envs.task import Task
from rewardgen_policies.seam import RewardFailure, Rollout, Scores, SourceSpec

KERNELS = "kernels"
_SEND_S = 60.0
_BROKEN = 70  # exit code: the device computes nothing any more


def serve(channel: Channel, lock: Callable[[], Protection], folder: str) -> None:
    """Train the job of a folder in this process, locked; the result lies in the folder then.

    Args:
        channel: to the owner, which is told of every step.
        lock: locks this process, which must have one thread.
        folder: the only place to write to.
    """
    place = Path(folder)
    job = read_job(place)
    assert isinstance(job, TrainJob)
    # imported before the lock, like all that is loaded when it is first used
    from rewardgen_envs.engines.mujoco_warp import use_kernels

    use_kernels(place / KERNELS)
    task = load_task(job.task)

    def tell(**message: object) -> None:
        channel.send(message, deadline_in(_SEND_S))

    sources = [
        wrapped(AnnouncedReward(index, reward, task, job.given_up.get(index), tell), reward.wrapper)
        for index, reward in enumerate(job.rewards)
    ]
    forget_packages()
    worker.silence()
    protection = lock()
    tell(id=0, **asdict(protection))
    try:
        result = train_job(
            job, task, sources, place, lambda done, total: tell(event="progress", done=done)
        )
    except Exception as error:  # the boundary: whatever goes wrong in here is its owner's to judge
        tell(event="failed", message=f"{type(error).__name__}: {error}")
    else:
        write_result(place, result)
        tell(event="done")


class AnnouncedReward:
    """A reward whose calls are announced, so that its owner knows whose fault it is if one hangs.

    Args:
        index: of the reward in its job.
        reward: its text, compiled at the first call.
        task: names the features.
        late: the call that it did not survive in an earlier attempt, or None.
        tell: sends a message to the owner.
    """

    def __init__(
        self,
        index: int,
        reward: RewardRef,
        task: Task,
        late: LateAnswer | None,
        tell: Callable[..., None],
    ) -> None:
        self._index = index
        self._code = parse_reward(reward.source)
        self._table = task.table
        self._late = late
        self._tell = tell
        self._calls = 0
        self._reward: InlineReward | None = None
        self._spec = SourceSpec(reward.name, self._code.sha256, "worker")

    @property
    def spec(self) -> SourceSpec:
        """What this source is."""
        return self._spec

    def score(self, rollout: Rollout) -> Scores:
        """Score the transitions of the members given.

        Raises:
            RewardFailure: the reward failed for good, now or in an earlier attempt.
        """
        call, self._calls = self._calls, self._calls + 1
        if self._late is not None and self._late.call <= call:
            raise RewardFailure(self._late.message)
        self._tell(event="scoring", reward=self._index)
        try:
            return self._scores(rollout)
        finally:
            self._tell(event="scored")

    def _scores(self, rollout: Rollout) -> Scores:
        device = rollout.state.device
        try:
            if self._reward is None:
                self._reward = InlineReward(self._code, self._table, self._spec.name)
            scores = self._reward.score(rollout)
            _wait_for(device)  # what fails or hangs on a GPU does so later
        except BaseException as error:  # SystemExit too is the code's doing
            _require_working(device)
            if isinstance(error, RewardFailure):
                raise
            raise RewardFailure(str(raised(error).finding)) from None
        return scores


def _wait_for(device: torch.device) -> None:
    if device.type != "cpu":
        torch.cuda.synchronize(device)


def _require_working(device: torch.device) -> None:
    """End this process, in the name of the reward being scored, if its GPU fails for good."""
    try:
        torch.zeros(1, device=device).item()
    except Exception:
        os._exit(_BROKEN)
