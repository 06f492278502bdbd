"""Trials: rewards trained on seeds on one schedule of rungs.

The only place that trains rewards on the same seeds to compare them: play-off, confirmation,
``train`` and ``tasks baseline`` call it. All arms share seeds and evaluation episodes, in one
population. Only the play-off lets arms retire on the way, or starts seeds later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, product
from statistics import fmean
from typing import Protocol

from rewardgen.analysis.statistics import (
    difference_of_iqms,
    estimate_iqm,
    probability_of_improvement,
)
from rewardgen.racing import survivors, wildcards
from rewardgen.rewards.wrappers.catalogue import plain
from rewardgen.rungs.jobs import RewardRef
from rewardgen.rungs.rung import Member, MemberOutcome, Place, Workshop
from rewardgen.store.parts import ArmStatistics, Comparison, TrialArm
from rewardgen.store.payloads import TrialFinished, TrialStarted
from rewardgen_envs.metrics import Metric


class TrialJournal(Protocol):
    """Where a trial is recorded."""

    def keep_source(self, name: str, source: str) -> str:
        """Store a reward's source and return the artifact's id."""
        ...

    def start_trial(self, trial: TrialStarted) -> None:
        """Record the plan of a trial, once."""
        ...

    def finish_trial(self, trial: TrialFinished) -> None:
        """Record the statistics of a trial, once."""
        ...


@dataclass(frozen=True)
class TrialPlan:
    """What a trial does.

    Attributes:
        name: names it within the run.
        rewards: one arm each; the name of a reward names its arm.
        sources: the text of each reward, None where there is no file.
        seeds: training seeds, the same for every arm.
        eval_seeds: evaluation episodes after each rung, the same for every member.
        env_steps: environment steps per member.
        rungs: stretches of training; an interrupted trial repeats at most one.
        fresh: how many of the seeds start in each rung, from the first seed on, each trained to the
            end in it; empty: all start in the first rung and go on in the others.
        references: the arms that all others are compared with.
        statistics_seed: seeds the bootstrap.
        keep: share of the arms that goes on after each rung; at least one trains to the end.
        wildcards: how many more go on after each rung: those whose fitness rose most since the
            last.
        seen: arm → fitness of earlier trainings that count in who goes on, in the metric's unit.
    """

    name: str
    rewards: tuple[RewardRef, ...]
    sources: tuple[str | None, ...]
    seeds: tuple[int, ...]
    eval_seeds: tuple[tuple[int, ...], ...]
    env_steps: int
    rungs: int
    references: tuple[str, ...]
    statistics_seed: int
    keep: float = 1.0
    wildcards: int = 0
    fresh: tuple[int, ...] = ()
    seen: Mapping[str, Sequence[float]] = field(default_factory=dict[str, Sequence[float]])

    def starting(self) -> list[tuple[int, ...]]:
        """Return the seeds that start in each rung."""
        if not self.fresh:
            return [self.seeds, *[()] * (self.rungs - 1)]
        ends = list(accumulate(self.fresh))
        return [self.seeds[end - count : end] for count, end in zip(self.fresh, ends, strict=True)]


@dataclass(frozen=True)
class TrialResult:
    """What a trial gave.

    Attributes:
        arms: statistics by the ranking metric.
        comparisons: of every arm with each reference.
        members: the last outcome of each member, by arm.
        finishers: the arms that nobody made retire.
    """

    arms: tuple[ArmStatistics, ...]
    comparisons: tuple[Comparison, ...]
    members: dict[str, tuple[MemberOutcome, ...]]
    finishers: tuple[str, ...]


def trial(
    workshop: Workshop,
    journal: TrialJournal,
    metric: Metric,
    plan: TrialPlan,
    before_rung: Callable[[], None] = lambda: None,
) -> TrialResult:
    """Train all arms, evaluate them, and compute their statistics.

    Args:
        workshop: trains and evaluates.
        journal: where the trial is recorded.
        metric: ranks.
        plan: what is trained.
        before_rung: called before each rung; what it raises stops the trial there.

    Raises:
        ExecutorError: workers failed for a reason that no reward is to blame for.
    """
    journal.start_trial(
        TrialStarted(
            trial=plan.name,
            arms=tuple(
                TrialArm(
                    arm=reward.name,
                    source=None if text is None else journal.keep_source(reward.name, text),
                    wrapper=plain(reward.wrapper),
                )
                for reward, text in zip(plan.rewards, plan.sources, strict=True)
            ),
            seeds=plan.seeds,
            env_steps=plan.env_steps,
        )
    )
    trained = _train(workshop, metric, plan, before_rung)
    scores = {name: _scores(members, metric) for name, members in trained.members.items()}
    arms = tuple(_statistics(name, x, plan.statistics_seed) for name, x in scores.items())
    comparisons = _comparisons(scores, metric, plan)
    journal.finish_trial(TrialFinished(trial=plan.name, arms=arms, comparisons=comparisons))
    return TrialResult(
        arms=arms,
        comparisons=comparisons,
        members=trained.members,
        finishers=trained.finishers,
    )


@dataclass(frozen=True)
class _Trained:
    members: dict[str, tuple[MemberOutcome, ...]]
    finishers: tuple[str, ...]


def _train(
    workshop: Workshop, metric: Metric, plan: TrialPlan, before_rung: Callable[[], None]
) -> _Trained:
    """Train the rungs one after another; a failed member stops, the others go on."""
    latest: dict[tuple[int, int], MemberOutcome] = {}
    running = list(range(len(plan.rewards)))
    before: dict[str, float] = {}
    members: list[Member] = []
    for rung, seeds in enumerate(plan.starting()):
        members += [Member(reward=i, seed=seed) for i in running for seed in seeds]
        if not members or (plan.fresh and rung > 0 and len(running) == 1):
            break
        before_rung()
        outcome = workshop.rung(
            f"{plan.name}-rung-{rung + 1}",
            Place(trial=plan.name),
            plan.rewards,
            members,
            number=0 if plan.fresh else rung,
            env_steps=plan.env_steps if plan.fresh else max(1, plan.env_steps // plan.rungs),
            eval_seeds=plan.eval_seeds[rung],
        )
        latest |= {(m.reward, m.seed): m for m in outcome.members}
        if rung < plan.rungs - 1 and plan.keep < 1.0:
            now = _arm_scores(running, list(latest.values()), metric, plan)
            going_on = survivors(now, plan.keep)
            going_on += wildcards(now, before, going_on, plan.wildcards)
            running = [arm for arm in running if plan.rewards[arm].name in going_on]
            before = now
        members = [
            Member(reward=m.reward, seed=m.seed, checkpoint=m.checkpoint)
            for m in outcome.members
            if not plan.fresh and m.checkpoint is not None and m.reward in running
        ]
    return _Trained(
        members={
            reward.name: tuple(m for m in latest.values() if m.reward == i)
            for i, reward in enumerate(plan.rewards)
        },
        finishers=tuple(plan.rewards[i].name for i in running),
    )


def _arm_scores(
    running: Sequence[int], members: Sequence[MemberOutcome], metric: Metric, plan: TrialPlan
) -> dict[str, float]:
    """Return arm → score, higher is better; an arm with a failed member retires and has none."""
    scores: dict[str, float] = {}
    for arm in running:
        mine = [m for m in members if m.reward == arm]
        if all(m.failure is None for m in mine):
            name = plan.rewards[arm].name
            values = [*_scores(mine, metric), *plan.seen.get(name, ())]
            scores[name] = metric.sign * fmean(values)
    return scores


def _scores(members: Sequence[MemberOutcome], metric: Metric) -> list[float]:
    """Return the mean fitness of each member that did not fail, one number per seed."""
    return [fmean(m.episodes.fitness[metric.name]) for m in members if m.episodes is not None]


def _statistics(arm: str, scores: Sequence[float], seed: int) -> ArmStatistics:
    """Return an arm's statistics; none if all its members failed."""
    if not scores:
        return ArmStatistics(arm=arm, iqm=None, interval=None, method="no run finished")
    estimate = estimate_iqm(scores, seed)
    return ArmStatistics(
        arm=arm, iqm=estimate.value, interval=estimate.interval, method=estimate.method
    )


def _comparisons(
    scores: dict[str, list[float]], metric: Metric, plan: TrialPlan
) -> tuple[Comparison, ...]:
    """Compare every arm with each reference; an arm without a score is left out."""
    comparisons: list[Comparison] = []
    for arm, reference in product(scores, plan.references):
        values, over = scores[arm], scores[reference]
        if arm == reference or not values or not over:
            continue
        # "beats" is in the metric's direction; the difference stays in its unit
        better = (values, over) if metric.higher_is_better else (over, values)
        probability = probability_of_improvement(*better)
        difference = difference_of_iqms(values, over, plan.statistics_seed)
        assert probability.interval is not None  # Newcombe's exists for any number of runs
        comparisons.append(
            Comparison(
                arm=arm,
                over=reference,
                probability=probability.value,
                interval=probability.interval,
                difference=difference.value,
                difference_interval=difference.interval,
            )
        )
    return tuple(comparisons)
