"""What goes into a rung and what comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rewardgen_policies.checkpoint import Storable
from rewardgen_policies.curves import Curve
from rewardgen_policies.seam import RewardSource


@dataclass(frozen=True)
class Member:
    """One policy in training.

    Attributes:
        source: its reward; members that share one lie side by side.
        seed: keys its weights and random streams.
        checkpoint: where it goes on from; None for a new member.
        overrides: settings of its own, from ``recipe.MEMBER_SETTINGS``.
    """

    source: RewardSource
    seed: int
    checkpoint: Path | None = None
    overrides: Mapping[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True)
class Failure:
    """Why and when a member was frozen; its last finite state is kept.

    Attributes:
        kind: ``source``, ``reward`` or ``policy``.
        message: for people and designers.
        term: the term at fault, if one is.
        update: number of the update within the rung.
        env_steps: control steps that the member had learned from.
    """

    kind: str
    message: str
    term: str | None
    update: int
    env_steps: int


@dataclass(frozen=True)
class Progress:
    """How far a rung is; quantities per member, NaN where there is none.

    Attributes:
        update: updates done.
        updates: updates to do.
        env_steps: control steps per member done.
        total_env_steps: control steps per member to do.
        episode_return: mean return of the episodes that ended in the last rollout.
        fitness: the same of the ranking metric.
        failed: number of members that failed.
    """

    update: int
    updates: int
    env_steps: int
    total_env_steps: int
    episode_return: list[float]
    fitness: list[float]
    failed: int


@dataclass(frozen=True)
class TrainResult:
    """The outcome of a rung, one entry per member.

    Attributes:
        states: members as they are now.
        curves: what happened.
        failures: why a member was frozen, or None.
    """

    states: Sequence[Storable]
    curves: list[Curve]
    failures: list[Failure | None]
