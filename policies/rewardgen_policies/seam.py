"""The seam between trainer and reward.

A reward does not influence physics within a rollout, so it is evaluated once per rollout,
before advantages: ``source.score(rollout) -> Scores``. ``RewardSource`` is the only protocol;
hosts of untrusted code, human rewards and learned models all implement it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from jaxtyping import Bool, Float32, Int64
from torch import Tensor

from rewardgen_envs.features import FeatureTable


@dataclass(frozen=True)
class Rollout:
    """Transitions of P members, T control steps, N worlds each; time-major within a member.

    Attributes:
        table: the features of ``state`` and ``next_state``; public columns come first.
        state: features before the action.
        next_state: features after it; the true terminal features where the episode ended.
        action: as applied, clipped to [-1, 1]; int64 (P, T, N) for discrete tasks.
        terminated: the task ended the episode here.
        truncated: the episode ended here by time or success.
        valid: False where the simulation diverged or the member is frozen.
        world: index of the world within its member, (N,).
        episode: number of the episode of its world.
        t: control steps since the start of the episode, before the action.
        gamma: discount factor.
        env_steps: control steps that each member had learned from before this rollout; None where
            nobody counts them.
    """

    table: FeatureTable
    state: Float32[Tensor, "P T N F"]
    next_state: Float32[Tensor, "P T N F"]
    action: Tensor
    terminated: Bool[Tensor, "P T N"]
    truncated: Bool[Tensor, "P T N"]
    valid: Bool[Tensor, "P T N"]
    world: Int64[Tensor, " N"]
    episode: Int64[Tensor, "P T N"]
    t: Int64[Tensor, "P T N"]
    gamma: float
    env_steps: Int64[Tensor, " P"] | None = None

    def members(self, start: int, stop: int) -> Rollout:
        """Return the rollout of members ``start`` to ``stop`` (views, no copies)."""
        part = slice(start, stop)
        return Rollout(
            table=self.table,
            state=self.state[part],
            next_state=self.next_state[part],
            action=self.action[part],
            terminated=self.terminated[part],
            truncated=self.truncated[part],
            valid=self.valid[part],
            world=self.world,
            episode=self.episode[part],
            t=self.t[part],
            gamma=self.gamma,
            env_steps=None if self.env_steps is None else self.env_steps[part],
        )


@dataclass(frozen=True)
class Scores:
    """What a source gives for a rollout.

    Attributes:
        reward: total reward per transition.
        valid: False where the source has no answer; such transitions get no weight.
        terms: named components, each (P, T, N).
        version: constant within one update; learned sources raise it when they fit.
    """

    reward: Float32[Tensor, "P T N"]
    valid: Bool[Tensor, "P T N"]
    terms: dict[str, Float32[Tensor, "P T N"]] = field(default_factory=dict[str, Tensor])
    version: int = 0


@dataclass(frozen=True)
class SourceSpec:
    """What a source is and needs.

    Attributes:
        name: shown in curves and reports.
        sha256: hash of what defines it.
        placement: ``process``, ``worker``, ``inline`` or ``remote``.
        requires: extra rollout fields it needs, beyond the features.
    """

    name: str
    sha256: str
    placement: str
    requires: frozenset[str] = frozenset()


class RewardFailure(RuntimeError):
    """A reward source failed for good on a rollout; its members are frozen, nobody else's.

    The message says what went wrong, for people and designers (term, transition, deadline).
    """


@runtime_checkable
class RewardSource(Protocol):
    """Anything that scores a rollout. Members that share a source are scored in one call."""

    @property
    def spec(self) -> SourceSpec:
        """What this source is."""
        ...

    def score(self, rollout: Rollout) -> Scores:
        """Score the transitions of the members given.

        Raises:
            RewardFailure: the source cannot go on; the trainer freezes its members.
        """
        ...


@runtime_checkable
class Prefetching(Protocol):
    """A source that can work on a rollout while others do.

    The trainer calls ``prefetch`` on every source before ``score`` on any, with the same object.
    """

    def prefetch(self, rollout: Rollout) -> None:
        """Begin to score a rollout and return at once."""
        ...
