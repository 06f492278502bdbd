"""Candidates in a race: their members, checkpoints and curves over the rungs of an iteration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean

from rewardgen.rungs.jobs import RewardRef
from rewardgen.rungs.rung import Curves, Episodes, Member, MemberOutcome
from rewardgen_envs.metrics import Metric


@dataclass
class Runner:
    """One candidate on the track.

    Attributes:
        candidate: its id.
        source: its reward code.
        seeds: training seeds, one per member.
        members: outcomes of the last rung, one per member.
        curves: one mapping per member, over all rungs so far.
        failure: why it failed, or None.
    """

    candidate: str
    source: str
    seeds: tuple[int, ...]
    members: tuple[MemberOutcome, ...] = ()
    curves: list[Curves] = field(default_factory=list[Curves])
    failure: str | None = None

    @property
    def reward(self) -> RewardRef:
        """Its reward, as jobs refer to it."""
        return RewardRef(kind="code", name=self.candidate, source=self.source)

    @property
    def checkpoints(self) -> tuple[str, ...]:
        """Artifacts of its policies after the last rung."""
        return tuple(m.checkpoint for m in self.members if m.checkpoint is not None)

    def entries(self, reward: int) -> list[Member]:
        """Return its members for the next rung; ``reward`` is its index in the population."""
        starts = [m.checkpoint for m in self.members] or [None] * len(self.seeds)
        return [
            Member(reward=reward, seed=seed, checkpoint=start)
            for seed, start in zip(self.seeds, starts, strict=True)
        ]

    def advance(self, members: Sequence[MemberOutcome], curves: Sequence[Curves]) -> None:
        """Take in the outcome of a rung."""
        self.members = tuple(members)
        self.curves = [dict(c) for c in curves] if not self.curves else self._extended(curves)
        failures = [m.failure for m in members if m.failure is not None]
        if failures:
            self.failure = failures[0]

    def score(self, metric: Metric) -> float:
        """Return mean fitness over members and episodes, oriented so that higher is better."""
        return mean_fitness([m.episodes for m in self.members if m.episodes is not None], metric)

    def _extended(self, curves: Sequence[Curves]) -> list[Curves]:
        """Append a rung's curves; they count env-steps from the start of the member's life."""
        joined: list[Curves] = []
        for old, new in zip(self.curves, curves, strict=True):
            joined.append({name: old.get(name, []) + values for name, values in new.items()})
        return joined


def mean_fitness(episodes: Sequence[Episodes], metric: Metric) -> float:
    """Return the mean fitness over policies and episodes, higher is better."""
    return metric.sign * fmean(x for e in episodes for x in e.fitness[metric.name])
