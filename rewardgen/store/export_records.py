"""Machine-readable output of ``export`` and ``import``: plain data, like ``records.py``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, FiniteFloat

from rewardgen.store.parts import Count, Data, Finding, Isolation, Sha256, Verdict
from rewardgen.store.records import FeatureRecord, Wrapping


class ObservationColumn(Data):
    """One number that a policy sees."""

    index: Count
    copies: Annotated[
        str | None, Field(description="the number of a feature that it equals, if it is one")
    ]
    unit: Annotated[str | None, Field(description="its unit, if it is a feature's number")]
    clip: Annotated[
        tuple[FiniteFloat | None, FiniteFloat | None] | None,
        Field(description="bounds, if any, that it is clipped to before the policy sees it"),
    ]
    depends_on: Annotated[tuple[str, ...], Field(description="features that it follows from")]
    mean: Annotated[FiniteFloat, Field(description="its mean in training")]
    std: Annotated[FiniteFloat, Field(description="its standard deviation in training")]


class ActionColumn(Data):
    """One number of a policy's action, in [-1, 1]; where all is null, only the task knows."""

    index: Count
    drives: Annotated[str | None, Field(description="actuator, or joint if that has no name")] = (
        None
    )
    control_low: Annotated[FiniteFloat | None, Field(description="control at -1")] = None
    control_high: Annotated[FiniteFloat | None, Field(description="control at 1")] = None


class EpisodesRecord(Data):
    """What the evaluator measured of a policy: one episode per seed."""

    metric: str
    unit: str
    eval_seeds: tuple[int, ...]
    fitness: Annotated[tuple[FiniteFloat, ...], Field(description="one number per seed")]
    confirmed: Annotated[
        bool, Field(description="on fresh seeds that chose nothing, unlike those of a search")
    ]


class PolicyRecord(Data):
    """``policy.json``: what somebody who runs ``policy.onnx`` must know."""

    format: Literal[1] = 1
    file: str
    input: Annotated[str, Field(description="float32 (batch, observation)")]
    output: Annotated[str, Field(description="float32 (batch, action), or int64 (batch,)")]
    observation: tuple[ObservationColumn, ...]
    features: Annotated[tuple[FeatureRecord, ...], Field(description="that the columns name")]
    observation_clip: Annotated[
        FiniteFloat,
        Field(description="in the file, columns are normalized and clipped to ± this"),
    ]
    action: Annotated[Literal["box", "discrete"], Field(description="numbers in [-1, 1] or one")]
    action_size: Annotated[Count, Field(description="how many numbers, or choices")]
    action_columns: Annotated[tuple[ActionColumn, ...], Field(description="empty for choices")]
    control_dt_s: Annotated[FiniteFloat, Field(description="seconds between two actions")]
    task: Annotated[str, Field(description="its name, or path/to/file.py:Class")]
    task_version: int
    scene_sha256: Sha256
    description: Annotated[str, Field(description="the task in a sentence")]
    run: str
    reward: Annotated[str, Field(description="arm or candidate")]
    reward_sha256: Sha256 | None
    member: Annotated[Count, Field(description="number among the policies of this reward")]
    train_seed: int
    env_steps: Count
    checkpoint_sha256: Sha256
    evaluation: EpisodesRecord
    versions: dict[str, str]


class BindingRecord(Data):
    """A feature that has to be bound where a reward is used."""

    feature: str
    shape: Annotated[tuple[int, ...], Field(description="of one environment")]
    unit: str
    description: str
    proposal: Annotated[
        str | None, Field(description="a guess at how it is read there; null: to be written")
    ]
    check: Annotated[str | None, Field(description="what to look at before it is believed")]
    before: Annotated[bool, Field(description="whether it is also kept for a step")]


class ImportedName(Data):
    """What a name of a reward from elsewhere stands for."""

    name: Annotated[str, Field(description="parameter, or attribute without self")]
    expression: Annotated[str, Field(description="the same in this project's terms")]
    how: Annotated[
        Literal["bound", "exact", "known", "meaning"],
        Field(description="by --bind, by its name, as all simulators have it, or by its words"),
    ]
    feature: Annotated[str | None, Field(description="null: a constant, or made of several")]
    shape: Annotated[tuple[int, ...] | None, Field(description="of the feature")]
    unit: str | None
    note: Annotated[str, Field(description="what was changed on the way")]


class ImportRecord(Data):
    """A reward from elsewhere: ``rewardgen import reward FILE --json``."""

    file: Annotated[str | None, Field(description="what was written; null if it is refused")]
    task: str
    function: Annotated[str | None, Field(description="the reward's name in the given file")]
    style: Annotated[
        Literal["isaac-gym", "isaac-lab", "plain"] | None,
        Field(description="whose conventions it follows"),
    ]
    names: Annotated[tuple[ImportedName, ...], Field(description="what it reads")]
    verdict: Verdict
    findings: Annotated[
        tuple[Finding, ...],
        Field(description="stage import: lines of the given file; others: of source"),
    ]
    source: Annotated[str | None, Field(description="the reward file that was made")]
    isolation: Isolation


class RewardExport(Data):
    """An exported reward file."""

    file: str
    function: Annotated[str, Field(description="its function that takes features by name")]
    sha256: Annotated[Sha256, Field(description="of the reward's own source")]
    features: Annotated[tuple[str, ...], Field(description="what it reads")]
    transitions: Annotated[Count, Field(description="on which it was compared with the original")]
    max_difference: FiniteFloat
    bindings: Annotated[
        tuple[BindingRecord, ...], Field(description="what is to be bound; of Isaac Lab's form")
    ] = ()
    wrapper: Wrapping = None


class PolicyExport(Data):
    """An exported policy."""

    file: str
    member: Count
    train_seed: int
    checkpoint_sha256: Sha256
    evaluation: EpisodesRecord
    observations: Annotated[Count, Field(description="on which it was compared with the original")]
    max_difference: FiniteFloat


class ExportRecord(Data):
    """What ``rewardgen export`` wrote."""

    folder: str
    files: tuple[str, ...]
    task: str
    run: str | None
    name: Annotated[str, Field(description="arm, candidate or file")]
    reward: RewardExport | None
    policy: PolicyExport | None
    notes: Annotated[tuple[str, ...], Field(description="what is missing or worth knowing")]
