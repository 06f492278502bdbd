"""Candidates in a race: their members, checkpoints and curves over the rungs of an iteration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from rewardgen.rewards.wrappers.catalogue import Wrapper
from rewardgen.rungs.jobs import RewardRef
from rewardgen.rungs.rung import Curves, Episodes, Member, MemberOutcome
from rewardgen_envs.metrics import Metric


@dataclass(frozen=True)
class RungCurves:
    """The curves of one candidate in a rung.

    Attributes:
        read: reads those of the whole population, one mapping per member.
        members: which of them are the candidate's.
    """

    read: Callable[[], Sequence[Curves]]
    members: slice


@dataclass
class Runner:
    """One candidate on the track.

    Attributes:
        candidate: its id.
        source: its reward code.
        seeds: training seeds, one per member.
        members: outcomes of the last rung, one per member.
        rungs: the curves of every rung so far; read when they are asked for, as a large
            population has many, and a resumed run needs hardly any.
        scores: its score after each rung that the weaker retired in.
        failure: why it failed, or None.
        wrapper: what is put around its code, or None.
    """

    candidate: str
    source: str
    seeds: tuple[int, ...]
    members: tuple[MemberOutcome, ...] = ()
    rungs: list[RungCurves] = field(default_factory=list[RungCurves])
    scores: list[float] = field(default_factory=list[float])
    failure: str | None = None
    wrapper: Wrapper | None = None

    @property
    def reward(self) -> RewardRef:
        """Its reward, as jobs refer to it."""
        return RewardRef(kind="code", name=self.candidate, source=self.source, wrapper=self.wrapper)

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

    def advance(self, members: Sequence[MemberOutcome], curves: RungCurves) -> None:
        """Take in the outcome of a rung."""
        self.members = tuple(members)
        self.rungs.append(curves)
        failures = [m.failure for m in members if m.failure is not None]
        if failures:
            self.failure = failures[0]

    def score(self, metric: Metric) -> float:
        """Return mean fitness over members and episodes, oriented so that higher is better."""
        return mean_fitness([m.episodes for m in self.members if m.episodes is not None], metric)

    def curves(self) -> list[Curves]:
        """Return one mapping per member, over all rungs so far.

        They count env-steps from the start of the member's life.
        """
        joined: list[Curves] = [{} for _ in self.seeds]
        for rung in self.rungs:
            members = zip(joined, rung.read()[rung.members], strict=True)
            joined = [_extended(old, new) for old, new in members]
        return joined


def _extended(old: Curves, new: Curves) -> Curves:
    """Return a member's curves with those of one more rung."""
    return {name: old.get(name, []) + values for name, values in new.items()}


def mean_fitness(episodes: Sequence[Episodes], metric: Metric) -> float:
    """Return the mean fitness over policies and episodes, higher is better."""
    return metric.sign * fmean(x for e in episodes for x in e.fitness[metric.name])
