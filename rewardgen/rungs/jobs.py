"""Jobs: plain data in a directory, plain data back. No pickle, no live objects.

A job directory holds ``job.json`` (one of the specs below) and, once the job is done,
``result.json`` and the files that the result names, relative to the directory.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from rewardgen.isolation.protection import Mode
from rewardgen.rewards.wrappers.catalogue import AnyWrapper
from rewardgen_envs.engines.choice import CPU, EngineChoice

SURVEY_WORLDS = 64
"""Episodes under random actions in a survey."""


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


Columns = dict[str, tuple[float, float, float, float]]
"""Public feature column → mean, 5 %, 50 % and 95 % quantile (``analysis.columns``)."""


class RewardRef(_Data):
    """A reward to train on.

    Attributes:
        kind: ``code`` is untrusted and runs locked; ``human`` and ``sparse`` are the
            task's own and run inline.
        name: shown in messages.
        source: the reward file's text, for ``code``.
        wrapper: what is put around it, outside of where its code runs.
    """

    kind: Literal["code", "human", "sparse"]
    name: str
    source: str = ""
    wrapper: AnyWrapper = None


class MemberSpec(_Data):
    """One policy to train: which reward, which seed, from which checkpoint (path) or none."""

    reward: int
    seed: int
    checkpoint: str | None = None


class LateAnswer(_Data):
    """A reward (by index) that missed a deadline in an earlier attempt at the same job.

    Attributes:
        reward: index of the reward.
        call: number of the rollout whose scores came too late, from 0.
        message: what was said about it.
        seed: of the first member that the reward's host served; None if it served them all.
    """

    reward: int
    call: int
    message: str
    seed: int | None = None


class TrainJob(_Data):
    """Train one population for one rung.

    Attributes:
        task: installed name or file:Class.
        rewards: the rewards; members refer to them by index, members of one reward adjoin.
        members: the population.
        recipe: PPO settings.
        rung: number of the rung; keys its random streams.
        env_steps: environment steps per member.
        threads: physics threads or None.
        engines: what simulates: one, or one for each share of the population.
        isolation: mode of the reward hosts.
        late: deadlines that fired in an earlier attempt; replayed, not timed again.
        together: whether code may share one locked process with a trainer on MuJoCo Warp, if
            there is no other reward; else it runs in hosts, as it does beside the CPU engine.
    """

    kind: Literal["train"] = "train"
    task: str
    rewards: tuple[RewardRef, ...]
    members: tuple[MemberSpec, ...]
    recipe: dict[str, Any]
    rung: int
    env_steps: int
    threads: int | None = None
    engines: tuple[EngineChoice, ...] = (CPU,)
    isolation: Mode = "standard"
    late: tuple[LateAnswer, ...] = ()
    together: bool = True

    @property
    def shares_process(self) -> bool:
        """Whether the trainer and reward code share a process.

        Not where trusted rewards train too: what they are compared with could spoil them.
        """
        untrusted = all(reward.kind == "code" for reward in self.rewards)
        return self.together and untrusted and self.engines[0].name == "warp"

    @property
    def given_up(self) -> dict[int, LateAnswer]:
        """The first late answer of each reward that had one, by its index."""
        answers: dict[int, LateAnswer] = {}
        for answer in self.late:
            known = answers.get(answer.reward)
            if known is None or answer.call < known.call:
                answers[answer.reward] = answer
        return answers


class EvaluateJob(_Data):
    """Evaluate policies on the same episodes, deterministically.

    Attributes:
        checkpoints: one path per member.
        eval_seeds: one episode per member and seed.
        threads: physics threads or None.
        engine: what simulates.
        fitness: text of a person's own fitness file, which then replaces the task's metrics.
    """

    kind: Literal["evaluate"] = "evaluate"
    task: str
    checkpoints: tuple[str, ...]
    eval_seeds: tuple[int, ...]
    threads: int | None = None
    engine: EngineChoice = CPU
    fitness: str | None = None


class SurveyJob(_Data):
    """Roll out random actions: how features are spread, and what evaluation costs.

    Attributes:
        fitness: text of a person's own fitness file, to be tried.
    """

    kind: Literal["survey"] = "survey"
    task: str
    seed: int
    worlds: int = SURVEY_WORLDS
    threads: int | None = None
    fitness: str | None = None


AnyJob = Annotated[TrainJob | EvaluateJob | SurveyJob, Field(discriminator="kind")]
JOB: TypeAdapter[AnyJob] = TypeAdapter(AnyJob)


class MemberResult(_Data):
    """A trained member: its checkpoint (file in the job directory), or why it failed."""

    checkpoint: str | None
    env_steps: int
    failure: str | None = None


class TrainResult(_Data):
    """What a rung gave.

    Attributes:
        members: in the order of the job's.
        curves: per member, name of a quantity → one number per update (None: not finite).
        env_steps: environment steps spent in all.
        wall_s: seconds of training.
        isolation: what was applied to the reward hosts.
    """

    kind: Literal["train"] = "train"
    members: tuple[MemberResult, ...]
    curves: tuple[dict[str, list[float | None]], ...]
    env_steps: int
    wall_s: float
    isolation: tuple[str, ...] = ()


class EvaluateResult(_Data):
    """Fitness of every member.

    Attributes:
        fitness: metric → per member, one number per evaluation seed.
        length: per member, control steps of each episode.
        causes: per member, cause of each episode's end (``time``, a termination cause, or
            ``diverged``).
        columns: per member, statistics of the public feature columns over its episodes.
        env_steps: environment steps spent.
    """

    kind: Literal["evaluate"] = "evaluate"
    fitness: dict[str, tuple[tuple[float, ...], ...]]
    length: tuple[tuple[int, ...], ...]
    causes: tuple[tuple[str, ...], ...]
    columns: tuple[Columns, ...]
    env_steps: int


class SurveyResult(_Data):
    """How features are spread under random actions.

    Attributes:
        columns: statistics of the public feature columns.
        env_steps: environment steps spent.
        steps_per_s: environment steps per second of physics and features.
    """

    kind: Literal["survey"] = "survey"
    columns: Columns
    env_steps: int
    steps_per_s: float


AnyResult = Annotated[TrainResult | EvaluateResult | SurveyResult, Field(discriminator="kind")]
RESULT: TypeAdapter[AnyResult] = TypeAdapter(AnyResult)


def write_job(directory: Path, job: TrainJob | EvaluateJob | SurveyJob) -> None:
    """Write a job into a new or empty directory."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "job.json").write_bytes(JOB.dump_json(job))


def read_job(directory: Path) -> TrainJob | EvaluateJob | SurveyJob:
    """Read the job of a directory."""
    return JOB.validate_json((directory / "job.json").read_bytes())


def write_result(directory: Path, result: TrainResult | EvaluateResult | SurveyResult) -> None:
    """Write a job's result; the rename marks it complete."""
    partial = directory / "result.json.partial"
    partial.write_bytes(RESULT.dump_json(result))
    partial.replace(directory / "result.json")


def read_result(directory: Path) -> TrainResult | EvaluateResult | SurveyResult:
    """Read the result of a finished job."""
    return RESULT.validate_json((directory / "result.json").read_bytes())
