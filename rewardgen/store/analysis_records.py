"""What ``rewardgen analyze`` finds out about a reward's policies: one JSON object.

Whatever cannot be said is null beside the reason, never a number that means nothing.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, FiniteFloat

from rewardgen.store.parts import Count, Data, Interval, Sha256
from rewardgen.store.records import FitnessRecord

Severity = Literal["info", "warning"]
Reason = Annotated[str, Field(description="why there is no number; empty if there is one")]


class Alarm(Data):
    """One thing that a designer should hear of."""

    rule: Annotated[str, Field(description="what was looked for")]
    severity: Severity
    message: Annotated[str, Field(description="what was found, with its numbers")]
    figure: FiniteFloat
    threshold: FiniteFloat


class Estimated(Data):
    """A number, with its 95 % interval where it has one."""

    value: FiniteFloat | None
    interval: Interval | None = None
    reason: Reason = ""


# ---- how episodes end


class CauseRecord(Data):
    """How often episodes ended in one way."""

    cause: str
    episodes: Count
    share: FiniteFloat


class HazardRecord(Data):
    """How likely an episode that reached a stretch of time is to end early within it."""

    from_s: FiniteFloat
    to_s: FiniteFloat
    at_risk: Annotated[Count, Field(description="episodes that reached it")]
    ended: Annotated[Count, Field(description="of these, ended early within it")]
    hazard: FiniteFloat | None


class TrainingCauseRecord(Data):
    """The share of training episodes that a cause ended, over stretches of training."""

    cause: str
    shares: tuple[FiniteFloat, ...]


class TerminationRecord(Data):
    """How episodes end, and whether ending early pays."""

    causes: tuple[CauseRecord, ...]
    hazard: tuple[HazardRecord, ...]
    training: tuple[TrainingCauseRecord, ...]
    dying_pays: Annotated[
        Estimated, Field(description="mean return of episodes that ended early minus of full ones")
    ]


# ---- failures


class ClusterRecord(Data):
    """Failed episodes that are alike."""

    episodes: Count
    sentence: Annotated[str, Field(description="what sets them apart")]
    cause: Annotated[str, Field(description="how most of them ended")]
    fitness: Annotated[FiniteFloat, Field(description="mean")]
    length_s: Annotated[FiniteFloat, Field(description="mean")]
    train_seed: Annotated[int, Field(description="policy of the medoid, the most typical episode")]
    eval_seed: Annotated[int, Field(description="seed of the medoid")]
    video: Annotated[str | None, Field(description="file beside this one")] = None


class FailureRecord(Data):
    """What the failed episodes have in common."""

    basis: Annotated[str, Field(description="which episodes count as failed")]
    episodes: Count
    clusters: tuple[ClusterRecord, ...]
    silhouette: Annotated[
        FiniteFloat | None, Field(description="how clearly they are apart; null for one cluster")
    ]
    reason: Reason = ""


# ---- terms


class TermRecord(Data):
    """One reward term in the episodes, and along training."""

    name: str
    mean: Annotated[FiniteFloat, Field(description="per control step")]
    deviation: Annotated[FiniteFloat, Field(description="standard deviation over control steps")]
    variance_share: Annotated[
        FiniteFloat | None, Field(description="Cov(term, reward) / Var(reward); sums to 1")
    ]
    advantage_share: Annotated[
        FiniteFloat | None, Field(description="of what drove the policy late in training")
    ]
    at_low: Annotated[FiniteFloat, Field(description="share of steps within 1 % of its lowest")]
    at_high: Annotated[FiniteFloat, Field(description="share of steps within 1 % of its highest")]
    status: Annotated[str, Field(description="dead, saturated, dominant or ok")]
    auc: Annotated[
        Estimated,
        Field(description="probability that a success earns more of it than a failure"),
    ]


# ---- proxy against fitness


class DivergenceRecord(Data):
    """Whether the reward went on rising while the fitness fell."""

    drop: Annotated[
        Estimated,
        Field(description="fitness at the end minus at its best, as a share of its range; <= 0"),
    ]
    drop_height: Annotated[
        FiniteFloat | None, Field(description="the same in the fitness's unit, of smoothed curves")
    ]
    best_env_steps: Annotated[FiniteFloat | None, Field(description="where the fitness was best")]
    proxy_rose: Annotated[
        FiniteFloat | None, Field(description="own return at the end minus at the best fitness")
    ]
    proxy_trend: Annotated[
        FiniteFloat | None,
        Field(description="Spearman of own return with time: 1 if it rose all along"),
    ]
    level_correlation: Annotated[Estimated, Field(description="Pearson, along training")]
    change_correlation: Annotated[
        Estimated, Field(description="Spearman of the changes between stretches of training")
    ]
    change_env_steps: Annotated[
        FiniteFloat | None, Field(description="where the fitness changed most, if beyond chance")
    ]
    change: Annotated[FiniteFloat | None, Field(description="by how much")]
    diverged: bool
    onset_env_steps: Annotated[FiniteFloat | None, Field(description="null unless it diverged")]


class CorrelationRecord(Data):
    """Correlation of reward and fitness over control steps, under two policies."""

    reference: Annotated[Estimated, Field(description="under random actions")]
    policy: Annotated[Estimated, Field(description="under the trained policies")]
    fitness_gain: Annotated[
        Estimated, Field(description="fitness of the policies minus of random actions, for better")
    ]
    needed_gain: Annotated[
        FiniteFloat | None, Field(description="what success would need; null if that means nothing")
    ]


# ---- signs and axes


class SignRecord(Data):
    """One sign of exploiting the simulation."""

    name: str
    figure: FiniteFloat | None
    threshold: FiniteFloat
    tripped: bool
    meaning: Annotated[str, Field(description="what the figure is")]
    reason: Reason = ""


class PartRecord(Data):
    """One violation, from 0 (none) to 1."""

    name: str
    violation: FiniteFloat | None
    reason: Reason = ""


class AxisRecord(Data):
    """One axis of plausibility, from 0 to 1 (nothing wrong)."""

    score: FiniteFloat | None
    parts: tuple[PartRecord, ...]
    reason: Reason = ""


class AxesRecord(Data):
    """How plausible the motion is: bodies, contacts, forces."""

    kinematic: AxisRecord
    contact: AxisRecord
    dynamic: AxisRecord
    overall: FiniteFloat | None
    episodes: Annotated[Count, Field(description="over how many episodes the scores are averaged")]


# ---- all of it


class AnalyzedPolicy(Data):
    """A policy whose episodes were looked at."""

    train_seed: int
    checkpoint: Sha256
    env_steps: Count


class AnalysisRecord(Data):
    """A reward's policies, their episodes and training: ``rewardgen analyze RUN --json``."""

    run: str
    task: str
    task_version: int
    scene_sha256: str
    who: Annotated[str, Field(description="candidate or arm")]
    what: str
    source_sha256: Sha256 | None
    policies: tuple[AnalyzedPolicy, ...]
    episodes: Annotated[Count, Field(description="played for this analysis, without exploration")]
    metric: FitnessRecord
    fitness: Estimated
    success: Annotated[FiniteFloat | None, Field(description="share of the episodes")]
    alarms: tuple[Alarm, ...]
    terminations: TerminationRecord
    failures: FailureRecord
    terms: tuple[TermRecord, ...]
    divergence: DivergenceRecord | None
    correlation: CorrelationRecord
    signs: tuple[SignRecord, ...]
    axes: AxesRecord
    checkpoints: Annotated[
        tuple[FiniteFloat, ...], Field(description="env-steps at the end of stretches of training")
    ]
    folder: Annotated[str, Field(description="where this record, figures and tables lie")]
    figures: Annotated[tuple[str, ...], Field(description="each as NAME.svg with NAME.csv")]
    notes: tuple[str, ...]
