"""What ``rewardgen compare`` says of rewards: its machine-readable output."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, FiniteFloat

from rewardgen.store.parts import Count, Data, Finding, Interval, Sha256
from rewardgen.store.records import ArmRecord, FitnessRecord, Wrapping

Stage = Literal["static", "data", "race", "confirm"]
STAGES: tuple[Stage, ...] = ("static", "data", "race", "confirm")
"""Each includes the former ones."""

RACE = "race"
"""Name of the trial that chooses, of compared rewards, those that are confirmed."""

Decision = Literal[
    "refused", "failed", "constant", "duplicate", "sign_error", "misranks", "accepted", "race"
]
HELD_BACK: tuple[Decision, ...] = (
    "refused",
    "failed",
    "constant",
    "duplicate",
    "sign_error",
    "misranks",
)
"""Decisions with which a reward is not trained, unless it is one of the task's own."""


class SourceRecord(Data):
    """Who acted in the transitions."""

    name: str
    transitions: Count
    episodes: Annotated[Count, Field(description="whole ones; those cut off are not ranked")]
    fitness: Annotated[
        FiniteFloat | None, Field(description="mean of its whole episodes, ranking metric")
    ]


class DataRecord(Data):
    """The transitions that rewards were compared on."""

    sha256: Annotated[Sha256, Field(description="of the transitions, whose numbers it vouches for")]
    transitions: Count
    episodes: Annotated[Count, Field(description="whole ones")]
    discount: FiniteFloat
    features: Annotated[Count, Field(description="functions of the state that potentials are of")]
    sources: tuple[SourceRecord, ...]


class MatrixRecord(Data):
    """Distances between all rewards; null where one of both is almost pure shaping."""

    method: Annotated[str, Field(description="min_l2 or lstd_val")]
    names: tuple[str, ...]
    values: tuple[tuple[FiniteFloat | None, ...], ...]
    intervals: Annotated[
        tuple[tuple[Interval | None, ...], ...], Field(description="95 %, over episodes")
    ]
    floor: Annotated[
        tuple[FiniteFloat | None, ...],
        Field(description="how far shaping that should change nothing moves each reward"),
    ]
    by_source: Annotated[
        dict[str, tuple[tuple[FiniteFloat | None, ...], ...]],
        Field(description="the same distances on the transitions of one source alone"),
    ]


class EpisodeRecord(Data):
    """An episode of the transitions, and what a reward makes of it."""

    source: str
    number: Annotated[Count, Field(description="its place among all episodes")]
    fitness: FiniteFloat
    steps: Count
    value: Annotated[FiniteFloat, Field(description="canonicalized return")]


class ViolationRecord(Data):
    """A pair of episodes that a reward ranks against the fitness."""

    better: EpisodeRecord
    worse: Annotated[EpisodeRecord, Field(description="which the reward ranks above the other")]


class RankingRecord(Data):
    """How a reward's canonicalized returns rank episodes that the fitness has ranked."""

    tau: Annotated[FiniteFloat | None, Field(description="Kendall's tau-b")] = None
    tau_interval: Interval | None = None
    auc: Annotated[
        FiniteFloat | None, Field(description="probability that a success ranks above a failure")
    ] = None
    auc_interval: Interval | None = None
    auc_of: Annotated[str, Field(description="what counts as success and failure")] = ""
    violations: Annotated[
        tuple[ViolationRecord, ...], Field(description="the worst pairs, if the AUC is low")
    ] = ()
    remarks: tuple[str, ...] = ()


class TermRecord(Data):
    """One term of a reward on the transitions."""

    term: str
    share: Annotated[
        FiniteFloat | None,
        Field(description="of what ranks policies; shares sum to 1; null if nothing does"),
    ]
    mean: FiniteFloat
    spread: Annotated[FiniteFloat, Field(description="standard deviation")]
    status: Literal["ok", "dead", "saturated"]


class ComparedReward(Data):
    """One reward and what is to be done with it.

    ``fitness`` selected and is therefore optimistic; the numbers of ``arms`` are of fresh seeds.
    """

    name: str
    kind: Literal["file", "candidate", "human", "sparse"]
    source_sha256: Sha256 | None
    wrapper: Wrapping = None
    compared: Annotated[bool, Field(description="false for a reference that was not given")] = True
    findings: tuple[Finding, ...] = ()
    mean: Annotated[FiniteFloat | None, Field(description="per transition")] = None
    scale: Annotated[FiniteFloat | None, Field(description="its standard deviation")] = None
    left: Annotated[
        FiniteFloat | None,
        Field(description="share of it that shaping cannot explain; below 0.02 it is trivial"),
    ] = None
    distance: Annotated[FiniteFloat | None, Field(description="to the reference, lstd_val")] = None
    distance_interval: Interval | None = None
    floor: Annotated[FiniteFloat | None, Field(description="distances below mean nothing")] = None
    nearest: Annotated[str | None, Field(description="the nearest other reward")] = None
    nearest_distance: FiniteFloat | None = None
    ranking: RankingRecord | None = None
    terms: tuple[TermRecord, ...] = ()
    remarks: tuple[str, ...] = ()
    decision: Decision
    reason: str
    duplicate_of: str | None = None
    fitness: Annotated[FiniteFloat | None, Field(description="in the race, mean of seeds")] = None
    rungs: Annotated[Count | None, Field(description="of the race that it went through")] = None


class ConfirmedRecord(Data):
    """What fresh seeds say of a reward beside the incumbent."""

    arm: str
    last_over_best: Annotated[
        FiniteFloat | None,
        Field(description="fitness at the end of training, 1: as good as ever, 0: as at its worst"),
    ]
    over: str | None
    p: Annotated[FiniteFloat | None, Field(description="exact, two-sided, of Mann and Whitney")]
    remark: str


class RaceRungRecord(Data):
    """One rung of the race."""

    rung: Annotated[int, Field(description="from 1 on")]
    fitness: Annotated[
        dict[str, FiniteFloat], Field(description="of each reward that went through it")
    ]


class CompareRecord(Data):
    """Rewards compared: ``rewardgen compare --json``."""

    run: Annotated[str | None, Field(description="where it was trained; null if nothing was")]
    task: str
    task_version: int
    stage: Stage
    fitness: Annotated[FitnessRecord, Field(description="the ranking metric")]
    reference: Annotated[str | None, Field(description="what distances are told from")]
    incumbent: Annotated[str | None, Field(description="what confirmed rewards are compared with")]
    rewards: tuple[ComparedReward, ...]
    data: Annotated[DataRecord | None, Field(description="null for the static stage")] = None
    distances: tuple[MatrixRecord, ...] = ()
    arms: Annotated[
        tuple[ArmRecord, ...],
        Field(description="of the confirmation; of the race if there was none"),
    ] = ()
    race: tuple[RaceRungRecord, ...] = ()
    confirmed: tuple[ConfirmedRecord, ...] = ()
    notes: tuple[str, ...] = ()
