"""The contract of designers: what they are told and what they answer.

A designer sees public features, the task's sentence and what the candidates so far did. It
never holds a task, a human reward (unless the user starts from it) or a fitness function.
It keeps no memory between calls: everything is in the context, so that a resumed run asks the
same question and gets the same answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from pydantic import JsonValue

from rewardgen.analysis.columns import ColumnStatistics
from rewardgen.analysis.feedback import Feedback
from rewardgen.rewards.findings import Finding
from rewardgen.rewards.wrappers.catalogue import Wrapper
from rewardgen_envs.features import FeatureTable
from rewardgen_envs.task import BoxAction, DiscreteAction


@dataclass(frozen=True)
class Tried:
    """One candidate of this run, as its designer is told about it.

    Attributes:
        candidate: its id.
        iteration: when it was proposed.
        source: its reward source as text.
        state: ``rejected``, ``failed``, ``retired``, ``evaluated`` or ``confirmed``.
        feedback: what is known about it.
        parents: ids of the candidates that it was made from.
        wrapper: what is put around it, by name and parameters, or None.
    """

    candidate: str
    iteration: int
    source: str
    state: str
    feedback: Feedback
    parents: tuple[str, ...] = ()
    wrapper: JsonValue = None


@dataclass(frozen=True)
class DesignContext:
    """Everything a designer is told.

    Attributes:
        sentence: what the robot shall do.
        table: the public features.
        action: shape of ``action`` in the reward code.
        control_dt_s: length of a control step in seconds.
        episode_steps: nominal episode length in control steps.
        count: how many proposals are wanted.
        seed: derived by the run from (run seed, iteration); the only source of chance.
        iteration: 0 for the first.
        parents: the candidates to start from, best first; empty in iteration 0.
        history: all candidates so far, oldest first, the parents among them.
        feature_ranges: statistics of the public columns (see ``analysis.columns``) under a random
            policy; empty if unknown. Physical data, not fitness.
        human_feedback: what people said, oldest first.
        wrapper: what is put around whatever is proposed, or None.
        may_wrap: whether a proposal may name what is put around it.
    """

    sentence: str
    table: FeatureTable
    action: BoxAction | DiscreteAction
    control_dt_s: float
    episode_steps: int
    count: int
    seed: int
    iteration: int = 0
    parents: tuple[Tried, ...] = ()
    history: tuple[Tried, ...] = ()
    feature_ranges: Mapping[str, ColumnStatistics] = field(
        default_factory=dict[str, ColumnStatistics]
    )
    human_feedback: tuple[str, ...] = ()
    wrapper: Wrapper | None = None
    may_wrap: bool = False

    def __post_init__(self) -> None:
        """Refuse what would leak into a designer or make no sense.

        Raises:
            ValueError: a private feature in the table, or no proposal is wanted.
        """
        private = [f.name for f in self.table if f.private]
        if private:
            raise ValueError(
                f"feature '{private[0]}' is private; give designers table.public() only"
            )
        if self.count < 1:
            raise ValueError(f"count is {self.count}; a designer writes at least one proposal")


@dataclass(frozen=True)
class Proposal:
    """One reward proposed; whether it is valid is for the checks to say.

    Attributes:
        source: reward code, or a reply with one fenced block of it.
        parents: ids of the candidates that it was made from.
        origin: ``scratch``, ``mutation:<operator>``, ``crossover``, ``again``, …
        note: one sentence for people on what it tries.
        fault: what is wrong with the reply (empty, refused, cut off), or None; it matters only if
            the source is no reward.
        wrapper: what is to be put around it, by name and parameters, or None; a text if that is
            all that could be read.
    """

    source: str
    parents: tuple[str, ...] = ()
    origin: str = "scratch"
    note: str = ""
    fault: Finding | None = None
    wrapper: JsonValue = None


@dataclass(frozen=True)
class Refused:
    """A proposal that did not pass its check.

    Attributes:
        candidate: its id.
        slot: its place in the iteration.
        source: what was proposed.
        findings: why it was refused.
        wrapper: what was to be put around it, or None.
    """

    candidate: str
    slot: int
    source: str
    findings: tuple[Finding, ...]
    wrapper: JsonValue = None


class ExhaustedError(Exception):
    """A designer has nothing more to propose; says why. The search ends with what it has."""


class Designer(Protocol):
    """Who proposes candidates."""

    @property
    def name(self) -> str:
        """How the run's configuration calls it."""
        ...

    def propose(self, context: DesignContext) -> list[Proposal]:
        """Return up to ``context.count`` proposals; the same ones for the same context.

        Raises:
            ExhaustedError: there is nothing more to propose.
        """
        ...


@runtime_checkable
class Repairs(Protocol):
    """A designer that corrects what was refused, once."""

    def repair(self, context: DesignContext, refused: Sequence[Refused]) -> list[Proposal | None]:
        """Return a corrected proposal for each, or None; ``context`` is that of the proposal."""
        ...
