"""Plain data that events and machine-readable records are made of."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, JsonValue

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Interval = tuple[FiniteFloat, FiniteFloat]
Count = Annotated[int, Field(ge=0)]
Verdict = Literal["accepted", "refused", "failed"]
FinalState = Literal["rejected", "failed", "retired", "evaluated", "confirmed"]


class Data(BaseModel):
    """Frozen, strict plain data."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class MetricFacts(Data):
    """A fitness metric, as far as a reader of results needs it."""

    name: str
    unit: str
    higher_is_better: bool
    success: float | None


class TaskFacts(Data):
    """The task of a run; the first metric ranks."""

    name: str
    version: int
    description: str
    scene_sha256: Sha256
    metrics: Annotated[tuple[MetricFacts, ...], Field(min_length=1)]
    environment: str = ""  # somebody else's, by its id; empty for a task with a scene


class Manifest(Data):
    """Machine and versions."""

    python: str
    system: str
    machine: str
    cpu: str
    cpus: int
    memory_bytes: int
    packages: dict[str, str]


class Isolation(Data):
    """How generated code was kept from the machine: the mode, and what of it took effect."""

    mode: str
    applied: tuple[str, ...] = ()


class Finding(Data):
    """One remark of a check."""

    stage: str
    kind: Literal["policy", "contract", "runtime"]
    rule: str
    severity: str
    line: int | None
    message: str
    remedy: str


class MemberKey(Data):
    """A policy in training: a candidate's id (or an arm's name) and the training seed."""

    source: str
    seed: Count


class MemberOutcome(MemberKey):
    """What a rung made of one member.

    Attributes:
        env_steps: environment steps trained in this rung.
        checkpoint: artifact of the policy, None if the member failed.
        failure: why it failed, or None.
        fitness: metric → one number per evaluation seed; empty if it failed.
    """

    env_steps: Count
    checkpoint: Sha256 | None = None
    failure: str | None = None
    fitness: dict[str, tuple[FiniteFloat, ...]] = {}


class Artifact(Data):
    """An immutable file, named by its hash."""

    sha256: Sha256
    name: str
    media_type: str
    size_bytes: Count


class TrialArm(Data):
    """One reward of a trial; ``source`` is None for a reward that is no file (sparse).

    ``wrapper`` is what is put around it, by name and parameters, or None.
    """

    arm: str
    source: Sha256 | None
    wrapper: JsonValue = None


class ArmStatistics(Data):
    """Statistics of an arm over its training seeds, by the ranking metric.

    Attributes:
        iqm: interquartile mean; None if no member has a fitness.
        interval: 95 % interval.
        method: how the interval was made.
    """

    arm: str
    iqm: FiniteFloat | None
    interval: Interval | None
    method: str = ""


class Comparison(Data):
    """Arm against another arm, by the ranking metric.

    Attributes:
        probability: that a run of ``arm`` is better than a run of ``over``, in the metric's
            direction, ties counting half.
        difference: IQM of ``arm`` minus that of ``over``, in the metric's unit.
    """

    arm: str
    over: str
    probability: FiniteFloat
    interval: Interval
    difference: FiniteFloat
    difference_interval: Interval | None
