"""One rung of one population: train, then evaluate in a process that never held a reward.

The outcome is recorded once; asking for the same rung again reads the record. This is what
makes a run resumable: whoever drives rungs simply repeats its program.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict

from rewardgen.isolation.protection import Mode
from rewardgen.rungs.executor import Executor
from rewardgen.rungs.jobs import Columns, EvaluateJob, LateAnswer, MemberSpec, RewardRef, TrainJob
from rewardgen_envs.engines.choice import EngineChoice

Curves = dict[str, list[float | None]]


class Episodes(BaseModel):
    """How one policy did in its evaluation episodes.

    Attributes:
        fitness: metric → one number per evaluation seed.
        length: control steps of each episode.
        causes: how each episode ended.
        columns: statistics of the public feature columns over the episodes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fitness: dict[str, tuple[float, ...]]
    length: tuple[int, ...]
    causes: tuple[str, ...]
    columns: Columns


class MemberOutcome(BaseModel):
    """What became of one member in a rung.

    Attributes:
        reward: index of its reward in the population.
        seed: training seed.
        env_steps: environment steps trained in this rung.
        checkpoint: artifact of the policy, None if it failed.
        failure: why it failed, or None.
        episodes: its evaluation, None if it failed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    reward: int
    seed: int
    env_steps: int
    checkpoint: str | None = None
    failure: str | None = None
    episodes: Episodes | None = None


class RungOutcome(BaseModel):
    """What a rung gave.

    Attributes:
        members: in the order of the population.
        eval_seeds: the evaluation episodes, the same for all.
        curves: artifact: one mapping per member.
        env_steps: spent in training and evaluation.
        wall_s: seconds of training.
        isolation: what was applied to the reward hosts.
        guests: policies that were only evaluated, on the same episodes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    members: tuple[MemberOutcome, ...]
    eval_seeds: tuple[int, ...]
    curves: str
    env_steps: int
    wall_s: float
    isolation: tuple[str, ...] = ()
    guests: tuple[Episodes, ...] = ()


@dataclass(frozen=True)
class Place:
    """Where in a run a rung belongs: to an iteration of the search, or to a trial."""

    iteration: int | None = None
    trial: str | None = None


class Journal(Protocol):
    """Where outcomes are kept, durably."""

    def begin(self, key: str, place: Place, job: TrainJob) -> None:
        """Note that a rung is handed to the executor."""
        ...

    def late(self, key: str, rewards: Sequence[RewardRef]) -> tuple[LateAnswer, ...]:
        """Return the deadlines that fired in earlier attempts at a rung."""
        ...

    def record_late(self, key: str, source: str, answer: LateAnswer) -> None:
        """Record that a reward of a rung missed a deadline."""
        ...

    def finished(self, key: str) -> RungOutcome | None:
        """Return the recorded outcome of a rung, or None."""
        ...

    def record(self, key: str, job: TrainJob, outcome: RungOutcome) -> None:
        """Record the outcome of a rung; its artifacts are durable already."""
        ...

    def keep_file(self, path: Path) -> str:
        """Store a file as an artifact and return its id."""
        ...

    def keep_curves(self, curves: Sequence[Curves]) -> str:
        """Store the curves of all members and return the artifact's id."""
        ...

    def artifact_path(self, artifact: str) -> Path:
        """Return where an artifact lies."""
        ...


@dataclass(frozen=True)
class Member:
    """A member to train: index of its reward, seed, and the artifact to start from."""

    reward: int
    seed: int
    checkpoint: str | None = None


@dataclass(frozen=True)
class Workshop:
    """What every rung of a run shares.

    Attributes:
        executor: who executes jobs.
        journal: where outcomes are kept.
        task: installed name or file:Class.
        recipe: PPO settings.
        threads: physics threads or None.
        engines: what simulates, see ``TrainJob``.
        isolation: mode of the reward hosts.
        progress: called with a rung's key, environment steps done and to do per member.
        fitness: text of a person's own fitness file, in place of the task's metrics; or None.
    """

    executor: Executor
    journal: Journal
    task: str
    recipe: dict[str, Any]
    threads: int | None
    engines: tuple[EngineChoice, ...]
    isolation: Mode
    progress: Callable[[str, int, int], None]
    fitness: str | None = None

    def rung(
        self,
        key: str,
        place: Place,
        rewards: Sequence[RewardRef],
        members: Sequence[Member],
        *,
        number: int,
        env_steps: int,
        eval_seeds: Sequence[int],
        guests: Sequence[str] = (),
    ) -> RungOutcome:
        """Train and evaluate a population, or return what is recorded of it.

        Args:
            key: names the rung within the run.
            place: where in the run it belongs.
            rewards: the rewards that members refer to.
            members: the population; members of one reward adjoin.
            number: number of the rung in the life of its members; keys their random streams.
            env_steps: environment steps per member.
            eval_seeds: evaluation episodes, the same for all members.
            guests: checkpoints (artifacts) to evaluate on the same episodes, untrained.

        Raises:
            ExecutorError: workers failed for a reason that no reward is to blame for.
        """
        recorded = self.journal.finished(key)
        if recorded is not None:
            return recorded
        job = TrainJob(
            task=self.task,
            rewards=tuple(rewards),
            members=tuple(self._spec(member) for member in members),
            recipe=self.recipe,
            rung=number,
            env_steps=env_steps,
            threads=self.threads,
            engines=self.engines,
            isolation=self.isolation,
            late=self.journal.late(key, rewards),
        )
        self.journal.begin(key, place, job)
        outcome = self._execute(key, job, tuple(eval_seeds), guests)
        self.journal.record(key, job, outcome)
        return outcome

    def _spec(self, member: Member) -> MemberSpec:
        start = member.checkpoint
        path = None if start is None else str(self.journal.artifact_path(start))
        return MemberSpec(reward=member.reward, seed=member.seed, checkpoint=path)

    def _execute(
        self, key: str, job: TrainJob, eval_seeds: tuple[int, ...], guests: Sequence[str]
    ) -> RungOutcome:
        def report(done: int, total: int) -> None:
            self.progress(key, done, total)

        def report_late(answer: LateAnswer) -> None:
            self.journal.record_late(key, job.rewards[answer.reward].name, answer)

        trained, directory = self.executor.train(f"{key}-train", job, report, report_late)
        policies = [directory / m.checkpoint for m in trained.members if m.checkpoint is not None]
        policies += [self.journal.artifact_path(guest) for guest in guests]
        episodes, evaluation_steps = self._evaluate(key, policies, eval_seeds)
        of_members = iter(episodes)
        members = [
            MemberOutcome(
                reward=spec.reward,
                seed=spec.seed,
                env_steps=result.env_steps,
                failure=result.failure,
            )
            if result.checkpoint is None
            else MemberOutcome(
                reward=spec.reward,
                seed=spec.seed,
                env_steps=result.env_steps,
                checkpoint=self.journal.keep_file(directory / result.checkpoint),
                episodes=next(of_members),
            )
            for spec, result in zip(job.members, trained.members, strict=True)
        ]
        curves = self.journal.keep_curves(trained.curves)
        shutil.rmtree(directory)
        return RungOutcome(
            members=tuple(members),
            eval_seeds=eval_seeds,
            curves=curves,
            env_steps=trained.env_steps + evaluation_steps,
            wall_s=trained.wall_s,
            isolation=trained.isolation,
            guests=tuple(of_members),
        )

    def _evaluate(
        self, key: str, policies: Sequence[Path], eval_seeds: tuple[int, ...]
    ) -> tuple[list[Episodes], int]:
        """Return the episodes of each policy, and the environment steps spent."""
        if not policies:
            return [], 0
        job = EvaluateJob(
            task=self.task,
            checkpoints=tuple(str(path) for path in policies),
            eval_seeds=eval_seeds,
            threads=self.threads,
            engine=self.engines[0],
            fitness=self.fitness,
        )
        result = self.executor.evaluate(f"{key}-evaluate", job)
        episodes = [
            Episodes(
                fitness={name: values[i] for name, values in result.fitness.items()},
                length=result.length[i],
                causes=result.causes[i],
                columns=result.columns[i],
            )
            for i in range(len(policies))
        ]
        return episodes, result.env_steps
