"""Machine-readable output: the objects that ``--json`` prints and that reports render.

Everything here is plain data. The Python API returns the same objects; their JSON schemas lie
in ``docs/schemas`` (``schemas.py`` writes them).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import ConfigDict, Field, FiniteFloat, JsonValue

from rewardgen.store.parts import (
    Comparison,
    Count,
    Data,
    Finding,
    Interval,
    Isolation,
    Manifest,
    Sha256,
    Verdict,
)
from rewardgen.store.state import CandidateStatus

if TYPE_CHECKING:
    from rewardgen_envs.features import Feature

RunStateName = Literal["running", "done", "interrupted", "failed"]
Direction = Literal["higher", "lower"]


class MemberRecord(Data):
    """One policy."""

    train_seed: Annotated[int, Field(description="seed it was trained with")]
    env_steps: Annotated[Count, Field(description="environment steps trained")]
    checkpoint_step: Annotated[Count, Field(description="environment steps at its checkpoint")]
    eval_seeds: Annotated[tuple[int, ...], Field(description="seeds of its evaluation episodes")]
    fitness: Annotated[
        tuple[FiniteFloat, ...],
        Field(description="ranking metric, one number per evaluation seed"),
    ]
    metrics: Annotated[
        dict[str, tuple[FiniteFloat, ...]], Field(description="every metric, the ranking one too")
    ]
    checkpoint: Annotated[Sha256 | None, Field(description="artifact of the policy")]
    failure: Annotated[str | None, Field(description="why its training failed")]
    curves: Annotated[
        tuple[tuple[Sha256, int], ...],
        Field(description="training curves: artifact and place in its list, one per rung"),
    ]


Wrapping = Annotated[
    JsonValue,
    Field(description="what is put around the reward: an object with its name; null for nothing"),
]


class AttemptRecord(Data):
    """What a candidate was before its designer repaired it."""

    source_sha256: Sha256
    source: Annotated[str, Field(description="the refused reward file, or the whole reply")]
    findings: tuple[Finding, ...]
    wrapper: Wrapping = None


class CandidateRecord(Data):
    """One reward proposed in a run."""

    id: str
    iteration: Count
    slot: Count
    parents: tuple[str, ...]
    state: CandidateStatus
    reason: Annotated[str, Field(description="why it is in this state")]
    source_sha256: Sha256
    source: Annotated[str, Field(description="the reward file")]
    members: tuple[MemberRecord, ...]
    origin: Annotated[str, Field(description="how the designer made it")]
    note: Annotated[str, Field(description="what the designer says about it")]
    fitness: Annotated[
        FiniteFloat | None, Field(description="search-time fitness: mean of its members' means")
    ]
    findings: tuple[Finding, ...]
    feedback: Annotated[Sha256 | None, Field(description="artifact of the feedback's text")]
    attempts: Annotated[
        tuple[AttemptRecord, ...], Field(description="refused versions before a repair")
    ] = ()
    wrapper: Wrapping = None


class ImprovementRecord(Data):
    """An arm against another."""

    over: Annotated[str, Field(description="the other arm")]
    probability: Annotated[FiniteFloat, Field(description="that one run beats one of the other")]
    interval: Interval
    difference: Annotated[FiniteFloat, Field(description="of the IQMs")]
    difference_interval: Interval | None


class ArmRecord(Data):
    """One reward of a trial."""

    arm: Annotated[str, Field(description="winner, human, sparse, or a reward file's name")]
    source_sha256: Sha256 | None
    members: tuple[MemberRecord, ...]
    iqm: Annotated[FiniteFloat | None, Field(description="interquartile mean over its members")]
    interval: Annotated[Interval | None, Field(description="95 % interval")]
    method: Annotated[str, Field(description="how the interval was made")]
    improvements: tuple[ImprovementRecord, ...]
    search_fitness: Annotated[
        FiniteFloat | None, Field(description="fitness of the same reward during the search")
    ]
    source: Annotated[str | None, Field(description="the reward file, if it is one")]
    human_normalized: Annotated[
        FiniteFloat | None,
        Field(description="its IQM where the baselines' sparse reward is 0 and the human one 1"),
    ] = None
    wrapper: Wrapping = None


class BaselineRecord(Data):
    """The task's stored baselines, which normalized scores refer to."""

    env_steps: Annotated[Count, Field(description="training budget of each of their policies")]
    train_seeds: Count
    human: FiniteFloat
    human_interval: Interval
    sparse: FiniteFloat
    sparse_interval: Interval
    undefined: Annotated[
        str, Field(description="why no score can be normalized by them; empty if it can")
    ]


class FitnessRecord(Data):
    """One metric of a task; the first of a list ranks."""

    name: str
    unit: str
    direction: Direction
    success: FiniteFloat | None


class IterationRecord(Data):
    """One round of the search."""

    iteration: Count
    candidates: tuple[str, ...]
    best: Annotated[str | None, Field(description="best candidate so far")]
    fitness: Annotated[FiniteFloat | None, Field(description="its fitness")]


class HumanFeedbackRecord(Data):
    """What a person said about the run, or about one of its candidates."""

    iteration: Annotated[Count, Field(description="the first iteration whose prompts hold it")]
    candidate: str | None
    text: str


class WinnerRecord(Data):
    """The choice of the search."""

    candidate: str | None
    fitness: FiniteFloat | None
    reason: str


class PhaseRecord(Data):
    """What one phase of a run spent on simulation."""

    phase: Annotated[str, Field(description="survey, search, or a trial: playoff, confirm, train")]
    env_steps: Annotated[Count, Field(description="environment steps, evaluations included")]
    wall_s: Annotated[
        FiniteFloat | None, Field(description="seconds of its rungs; null if not timed")
    ]


class LlmUsage(Data):
    """What a run asked of a language model, and what it paid for that."""

    model: Annotated[str, Field(description="who answered")]
    calls: Annotated[Count, Field(description="replies asked for in this run")]
    retried: Annotated[Count, Field(description="how often they had to be asked for again")]
    cached: Annotated[Count, Field(description="replies known from earlier runs, not counted here")]
    prompt_tokens: Annotated[Count, Field(description="sent in the calls")]
    completion_tokens: Annotated[Count, Field(description="received in them, reasoning included")]
    cost_usd: Annotated[FiniteFloat | None, Field(description="null if the model has no price")]
    estimated: Annotated[
        Count, Field(description="calls whose tokens or cost are the most that they can be")
    ]


class ShowRecord(Data):
    """A whole run: ``rewardgen show RUN --json``."""

    run: Annotated[str, Field(description="name of its folder")]
    task: str
    task_version: int
    seed: int
    designer: str | None
    state: RunStateName
    env_steps: Annotated[Count, Field(description="spent, evaluations included")]
    wall_s: Annotated[FiniteFloat, Field(description="seconds that processes worked on it")]
    cost_usd: FiniteFloat
    isolation: Isolation
    simulated_by: Annotated[str, Field(description="engine, devices, and cluster if there is one")]
    winner: Annotated[str | None, Field(description="candidate chosen by the search")]
    candidates: tuple[CandidateRecord, ...]
    arms: tuple[ArmRecord, ...]
    reason: Annotated[str, Field(description="why it was interrupted or failed")]
    verb: str
    command: tuple[str, ...]
    started: Annotated[str, Field(description="ISO 8601, UTC")]
    description: Annotated[str, Field(description="the task in a sentence")]
    scene_sha256: str
    fitness: Annotated[tuple[FitnessRecord, ...], Field(description="the task's metrics")]
    budget_env_steps: Count | None
    phases: Annotated[tuple[PhaseRecord, ...], Field(description="where env_steps went, in order")]
    llm: Annotated[LlmUsage | None, Field(description="null if no language model took part")]
    config: dict[str, JsonValue]
    recipe: dict[str, JsonValue]
    recipe_sha256: str
    manifest: Manifest | None
    resumes: Annotated[int, Field(description="how often it was taken up again")]
    iterations: tuple[IterationRecord, ...]
    selection: WinnerRecord | None
    videos: Annotated[dict[str, Sha256], Field(description="candidate or arm → artifact")]
    notes: tuple[str, ...]
    human_feedback: tuple[HumanFeedbackRecord, ...] = ()
    baseline: Annotated[
        BaselineRecord | None, Field(description="null if the task has no stored baselines")
    ] = None


class TrialRecord(Data):
    """Result of ``train``, ``compare`` and ``tasks baseline``."""

    run: str
    arms: tuple[ArmRecord, ...]


class RunEntry(Data):
    """One line of ``list``; a run that cannot be read is ``unreadable``."""

    run: str
    state: RunStateName | Literal["unreadable"]
    task: str | None
    reason: Annotated[str, Field(description="what is wrong with an unreadable run")] = ""
    started: Annotated[str, Field(description="ISO 8601, UTC")] = ""


class ListRecord(Data):
    """All runs, oldest first: ``rewardgen list --json``."""

    runs: tuple[RunEntry, ...]


class TaskName(Data):
    """One line of ``tasks list``."""

    name: str


class TaskListRecord(Data):
    """All tasks: ``rewardgen tasks list --json``."""

    tasks: tuple[TaskName, ...]


class FeatureRecord(Data):
    """One feature of a task."""

    name: str
    shape: tuple[int, ...]
    unit: str
    description: str
    private: bool

    @classmethod
    def of(cls, feature: Feature) -> FeatureRecord:
        """Return what is told of a feature."""
        return cls(
            name=feature.name,
            shape=feature.shape,
            unit=feature.unit,
            description=feature.description,
            private=feature.private,
        )


class TaskRecord(Data):
    """One task: ``rewardgen tasks show NAME --json``."""

    model_config = ConfigDict(populate_by_name=True)

    name: str
    class_: Annotated[str, Field(alias="class", description="module:Class")]
    description: str
    version: int
    scene_sha256: Sha256
    human_reward: Annotated[
        str | None,
        Field(description="source of the human-written reward; null for the environment's own"),
    ]
    fitness: tuple[FitnessRecord, ...]
    features: tuple[FeatureRecord, ...]
    about: Annotated[str, Field(description="what the task's author says of it")]
    control_dt_s: Annotated[FiniteFloat, Field(description="seconds between two actions")]
    episode_s: Annotated[FiniteFloat, Field(description="nominal length of an episode")]
    action: Annotated[Literal["box", "discrete"], Field(description="numbers in [-1, 1] or one")]
    action_size: Annotated[Count, Field(description="how many numbers, or choices")]
    observation_size: Annotated[Count, Field(description="numbers that a policy sees")]
    causes: Annotated[dict[str, str], Field(description="what ends an episode early")]
    cameras: Annotated[tuple[str, ...], Field(description="points of view, the usual one first")]


class CheckRecord(Data):
    """What a check of a reward file says: ``rewardgen check FILE --json``."""

    verdict: Verdict
    findings: tuple[Finding, ...]
    isolation: Isolation
    cost_usd: Annotated[FiniteFloat, Field(description="money for the review of a model")] = 0.0


class GeneratedReward(Data):
    """One reward that a designer wrote without a run."""

    file: Annotated[str, Field(description="where it was written; refused ones lie in rejected/")]
    verdict: Verdict
    findings: tuple[Finding, ...]
    note: Annotated[str, Field(description="what the designer says about it")]
    repaired: Annotated[bool, Field(description="whether its first version was refused")]


class GenerateRecord(Data):
    """Rewards from a sentence: ``rewardgen generate --json``."""

    task: str
    text: Annotated[str, Field(description="what the robot shall do")]
    designer: str
    rewards: tuple[GeneratedReward, ...]
    cost_usd: Annotated[FiniteFloat, Field(description="money for the endpoint")]
    estimated: Annotated[
        Count, Field(description="calls whose tokens or cost are the most that they can be")
    ] = 0


class FeedbackRecord(Data):
    """A remark on a run: ``rewardgen feedback --json``."""

    iteration: Annotated[Count, Field(description="first iteration that may read it, from 0")]


def improvement(comparison: Comparison) -> ImprovementRecord:
    """Return a comparison as part of its arm."""
    return ImprovementRecord(
        over=comparison.over,
        probability=comparison.probability,
        interval=comparison.interval,
        difference=comparison.difference,
        difference_interval=comparison.difference_interval,
    )
