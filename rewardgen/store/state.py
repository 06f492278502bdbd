"""The state of a run, as its events leave it. Built by ``fold.py`` alone; read by everybody."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from rewardgen.store.parts import Artifact, FinalState, Manifest
from rewardgen.store.payloads import (
    CandidateChecked,
    CandidateProposed,
    DeadlineFired,
    FeedbackGiven,
    FeedbackStored,
    InputsStored,
    IterationFinished,
    JobFinished,
    ReplyReceived,
    RungFinished,
    RungStarted,
    RunStarted,
    TrialFinished,
    TrialStarted,
    WinnerSelected,
)

Status = Literal["new", "running", "done", "interrupted", "failed"]
CandidateStatus = FinalState | Literal["proposed", "accepted"]


SHARED = "process shared with its trainer (whose curves are advisory)"
"""What reward code had in place of a process of its own; said of a run if it had in any rung."""


def in_all(layers: Iterable[Iterable[str]]) -> tuple[str, ...]:
    """Return the layers that all have; ``SHARED``, which is none, if any has it."""
    listed = [list(some) for some in layers]
    first = listed[0] if listed else []
    common = [layer for layer in first if layer != SHARED and all(layer in o for o in listed)]
    return (SHARED, *common) if any(SHARED in some for some in listed) else tuple(common)


@dataclass
class MemberState:
    """One policy over all rungs it went through.

    Attributes:
        seed: training seed.
        env_steps: environment steps trained so far.
        checkpoint_step: environment steps at its last checkpoint.
        checkpoint: artifact of that checkpoint.
        eval_seeds: episodes of its last evaluation.
        fitness: metric → one number per evaluation seed, of its last evaluation.
        failure: why it failed, or None.
        curves: (artifact, index in its list), one per rung, oldest first.
        rungs: ids of the rungs it went through.
    """

    seed: int
    env_steps: int = 0
    checkpoint_step: int = 0
    checkpoint: str | None = None
    eval_seeds: tuple[int, ...] = ()
    fitness: dict[str, tuple[float, ...]] = field(default_factory=dict[str, tuple[float, ...]])
    failure: str | None = None
    curves: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])
    rungs: list[str] = field(default_factory=list[str])


@dataclass
class CandidateState:
    """One candidate; ``members`` by training seed, ``attempts``: what it was before a repair."""

    proposal: CandidateProposed
    state: CandidateStatus = "proposed"
    reason: str = ""
    check: CandidateChecked | None = None
    feedback: FeedbackStored | None = None
    members: dict[int, MemberState] = field(default_factory=dict[int, MemberState])
    attempts: list[CandidateState] = field(default_factory=list["CandidateState"])


@dataclass
class IterationState:
    """One round of the search; ``candidates`` in the order of their proposal."""

    iteration: int
    candidates: list[str] = field(default_factory=list[str])
    finished: IterationFinished | None = None


@dataclass
class RungState:
    """One stretch of training; ``deadlines`` by member source and seed."""

    started: RungStarted
    finished: RungFinished | None = None
    deadlines: dict[tuple[str, int | None], DeadlineFired] = field(
        default_factory=dict[tuple[str, int | None], DeadlineFired]
    )


@dataclass
class TrialState:
    """Rewards trained on seeds; ``members`` by arm, then training seed."""

    started: TrialStarted
    finished: TrialFinished | None = None
    members: dict[str, dict[int, MemberState]] = field(
        default_factory=dict[str, dict[int, MemberState]]
    )


@dataclass
class RunState:
    """Everything the events of a run say. Read it, never change it.

    Attributes:
        last_seq: number of the last event.
        started: the first event, None in a new run.
        inputs: files of the user, None until they are stored.
        status: where the run stands; ``running`` also holds for one whose process was killed.
        reason: why it was interrupted or failed.
        env_steps: environment steps spent, evaluations included.
        wall_s: seconds that processes have worked on it.
        cost_usd: money spent on endpoints.
        isolation_applied: what took effect in the reward hosts of every rung.
        jobs: jobs outside of rungs, by id.
        human_feedback: what people said, oldest first.
        replies: answers of language models, by what was asked.
        refused_parameters: what the endpoint does not take, in the order of refusal.
        winner: the choice of the search, None before it.
        videos: member source → artifact.
        notes: remarks, oldest first.
        resumes: machine and versions of every process that resumed the run.
    """

    last_seq: int = 0
    started: RunStarted | None = None
    inputs: InputsStored | None = None
    started_wall: float = 0.0
    status: Status = "new"
    reason: str = ""
    env_steps: int = 0
    wall_s: float = 0.0
    cost_usd: float = 0.0
    isolation_applied: list[str] = field(default_factory=list[str])
    iterations: dict[int, IterationState] = field(default_factory=dict[int, IterationState])
    candidates: dict[str, CandidateState] = field(default_factory=dict[str, CandidateState])
    rungs: dict[str, RungState] = field(default_factory=dict[str, RungState])
    trials: dict[str, TrialState] = field(default_factory=dict[str, TrialState])
    jobs: dict[str, JobFinished] = field(default_factory=dict[str, JobFinished])
    human_feedback: list[FeedbackGiven] = field(default_factory=list[FeedbackGiven])
    replies: dict[str, ReplyReceived] = field(default_factory=dict[str, ReplyReceived])
    refused_parameters: list[str] = field(default_factory=list[str])
    winner: WinnerSelected | None = None
    videos: dict[str, str] = field(default_factory=dict[str, str])
    artifacts: dict[str, Artifact] = field(default_factory=dict[str, Artifact])
    notes: list[str] = field(default_factory=list[str])
    resumes: list[Manifest] = field(default_factory=list[Manifest])
    last_mono: float | None = None
