"""Trains the population of a job; whoever holds its rewards calls this, locked or not."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rewardgen.rewards.inline import InlineReward
from rewardgen.rewards.sparse import OriginalReward, SparseReward
from rewardgen.rungs.jobs import MemberResult, RewardRef, TrainJob, TrainResult
from rewardgen_envs.adapters.mapped.task import MappedTask
from rewardgen_envs.base_task import BaseTask
from rewardgen_envs.contacts import with_room
from rewardgen_envs.engines.choice import CPU
from rewardgen_envs.task import Task
from rewardgen_policies.checkpoint import save_checkpoint
from rewardgen_policies.members import Failure
from rewardgen_policies.recipe import Recipe
from rewardgen_policies.seam import RewardSource
from rewardgen_policies.train import Member, Progress, train


def trusted(reward: RewardRef, task: BaseTask) -> RewardSource:
    """Return a reward of the task's own, which needs no host."""
    if reward.kind == "human":
        if task.human_reward is not None:
            return InlineReward.from_file(task.human_reward, task.table)
        assert isinstance(task, MappedTask), "every other task has a human reward"
        return OriginalReward(task)
    assert reward.kind == "sparse", "code that nobody vouches for"
    return SparseReward(task)


def train_job(
    job: TrainJob,
    task: BaseTask,
    sources: Sequence[RewardSource],
    folder: Path,
    report: Callable[[int, int], None],
) -> TrainResult:
    """Train a rung and save its checkpoints; what protects against its rewards is the caller's.

    Args:
        job: what to train.
        task: of the job, loaded.
        sources: one for each reward of the job.
        folder: where checkpoints go.
        report: told the environment steps done and to do per member.
    """
    recipe = Recipe.model_validate(job.recipe)
    start = time.monotonic()

    def progress(done: Progress) -> None:
        report(done.env_steps, done.total_env_steps)

    members = [
        Member(sources[m.reward], m.seed, None if m.checkpoint is None else Path(m.checkpoint))
        for m in job.members
    ]
    outcome = train(
        task,
        members,
        recipe,
        job.env_steps,
        rung=job.rung,
        threads=job.threads,
        engine=with_room(task, job.engines[0]) if isinstance(task, Task) else CPU,
        progress=progress,
    )
    results: list[MemberResult] = []
    for index, (state, failure) in enumerate(zip(outcome.states, outcome.failures, strict=True)):
        if failure is None:
            save_checkpoint(state, folder / checkpoint_name(index))
        results.append(_member(index, failure, recipe, job))
    return TrainResult(
        members=tuple(results),
        curves=tuple(curve.to_json() for curve in outcome.curves),
        env_steps=sum(result.env_steps for result in results),
        wall_s=time.monotonic() - start,
    )


def checkpoint_name(member: int) -> str:
    """Return the file of a member's checkpoint."""
    return f"member-{member}.safetensors"


def _member(index: int, failure: Failure | None, recipe: Recipe, job: TrainJob) -> MemberResult:
    if failure is None:
        done = recipe.updates(job.env_steps) * recipe.samples
        return MemberResult(checkpoint=checkpoint_name(index), env_steps=done)
    done = (failure.update + 1) * recipe.samples
    return MemberResult(checkpoint=None, env_steps=done, failure=failure.message)
