"""A population in shares, one for each process that trains.

Members do not depend on each other, so a population gives the same in shares. In one process the
steps between physics and learning keep a single CPU busy while the others wait.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from rewardgen.rungs.jobs import LateAnswer, MemberResult, TrainJob, TrainResult
from rewardgen.store.state import in_all
from rewardgen_envs.cpus import cpu_count
from rewardgen_envs.engines.choice import EngineChoice

MOST_PROCESSES = 4
"""More would save little time, and each holds torch and MuJoCo in memory."""


def processes(members: int, threads: int | None, engines: Sequence[EngineChoice]) -> int:
    """Return how many processes train so many members.

    Args:
        members: of the population.
        threads: for physics, in all; None for one per CPU.
        engines: a GPU takes one process, and so does MuJoCo Warp on the CPU; the CPU engine one
            for each of its threads.
    """
    if engines[0].name == "warp":
        return min(members, len(engines))
    return min(members, threads or cpu_count(), MOST_PROCESSES)


@dataclass(frozen=True)
class Share:
    """Members of a job that adjoin, as a job of their own.

    Attributes:
        job: the part; its rewards are those that its members refer to.
        rewards: for each of them, its index in the whole job.
    """

    job: TrainJob
    rewards: tuple[int, ...]

    def late(self, answer: LateAnswer) -> LateAnswer:
        """Return a reward's late answer in this share as one in the whole job."""
        seed = answer.seed  # of a share of this share, if there is one
        if seed is None:
            seed = next(m.seed for m in self.job.members if m.reward == answer.reward)
        return answer.model_copy(update={"reward": self.rewards[answer.reward], "seed": seed})


def divide(job: TrainJob, count: int) -> list[Share]:
    """Cut a job into shares of equal size ± 1, and its threads likewise.

    Args:
        job: the whole.
        count: at most as many as there are members, and threads.
    """
    members = _edges(len(job.members), count)
    threads = _edges(max(job.threads or cpu_count(), count), count)
    return [
        _share(job, slice(a, b), d - c, job.engines[slot % len(job.engines)])
        for slot, ((a, b), (c, d)) in enumerate(
            zip(pairwise(members), pairwise(threads), strict=True)
        )
    ]


def _edges(total: int, count: int) -> list[int]:
    return [total * i // count for i in range(count + 1)]


def _share(job: TrainJob, part: slice, threads: int, engine: EngineChoice) -> Share:
    members = job.members[part]
    rewards = tuple(sorted({member.reward for member in members}))
    place = {reward: i for i, reward in enumerate(rewards)}
    held = {(member.reward, member.seed) for member in members}
    late = tuple(
        answer.model_copy(update={"reward": place[answer.reward]})
        for answer in job.late
        if answer.reward in place and (answer.seed is None or (answer.reward, answer.seed) in held)
    )
    update = {
        "rewards": tuple(job.rewards[reward] for reward in rewards),
        "members": tuple(
            member.model_copy(update={"reward": place[member.reward]}) for member in members
        ),
        "threads": threads,
        "engines": (engine,),
        "late": late,
    }
    return Share(job.model_copy(update=update), rewards)


def join(results: Sequence[TrainResult], folders: Sequence[str]) -> TrainResult:
    """Return the results of the shares as that of the whole job.

    Args:
        results: of each share, in order.
        folders: where the checkpoints of each share lie, relative to the job's directory.
    """

    def placed(member: MemberResult, folder: str) -> MemberResult:
        if member.checkpoint is None:
            return member
        return member.model_copy(update={"checkpoint": f"{folder}/{member.checkpoint}"})

    return TrainResult(
        members=tuple(
            placed(member, folder)
            for result, folder in zip(results, folders, strict=True)
            for member in result.members
        ),
        curves=tuple(curves for result in results for curves in result.curves),
        env_steps=sum(result.env_steps for result in results),
        wall_s=max(result.wall_s for result in results),
        isolation=in_all([result.isolation for result in results if result.isolation]),
    )
