"""Who trains on in a trial that is a race, on scores that are given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import pytest

from rewardgen.rungs.jobs import RewardRef
from rewardgen.rungs.rung import Episodes, Member, MemberOutcome, RungOutcome, Workshop
from rewardgen.store.payloads import TrialFinished, TrialStarted
from rewardgen.trial import TrialPlan, TrialResult, trial
from rewardgen_envs.metrics import Metric
from rewardgen_envs.registry import load_task

CURVES: Mapping[str, Sequence[float]] = {
    "steady": (5.0, 5.0, 5.0, 5.0),
    "middling": (4.0, 4.0, 4.0, 4.0),
    "weak": (3.0, 3.0, 3.0, 3.0),
    "late": (2.0, 3.5, 7.0, 9.0),
    "hopeless": (1.0, 1.0, 1.0, 1.0),
}


class GivenScores:
    """A workshop whose members reach what ``CURVES`` says."""

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        self.rungs: list[list[str]] = []

    def rung(
        self,
        key: str,
        place: object,
        rewards: Sequence[RewardRef],
        members: Sequence[Member],
        **_: object,
    ) -> RungOutcome:
        names = [rewards[member.reward].name for member in members]
        number = len(self.rungs)
        self.rungs.append(names)
        outcomes = tuple(
            MemberOutcome(
                reward=member.reward,
                seed=member.seed,
                env_steps=8,
                checkpoint="0" * 64,
                episodes=Episodes(
                    fitness={self.metric.name: (self.metric.sign * CURVES[name][number],)},
                    length=(8,),
                    causes=("time",),
                    columns={},
                ),
            )
            for name, member in zip(names, members, strict=True)
        )
        return RungOutcome(members=outcomes, eval_seeds=(1,), curves="", env_steps=8, wall_s=1.0)


class NoJournal:
    def keep_source(self, name: str, source: str) -> str:
        return name + source

    def start_trial(self, trial: TrialStarted) -> None: ...

    def finish_trial(self, trial: TrialFinished) -> None: ...


def raced(keep: float, wildcards: int) -> tuple[list[list[str]], TrialResult]:
    metric = load_task("cartpole/balance").metric
    workshop = GivenScores(metric)
    plan = TrialPlan(
        name="race",
        rewards=tuple(RewardRef(kind="code", name=name) for name in CURVES),
        sources=(None,) * len(CURVES),
        seeds=(1,),
        eval_seeds=((1,),) * 4,
        env_steps=32,
        rungs=4,
        references=(),
        statistics_seed=0,
        keep=keep,
        wildcards=wildcards,
    )
    result = trial(cast(Workshop, workshop), NoJournal(), metric, plan)
    return workshop.rungs, result


def test_half_goes_on_by_the_score() -> None:
    rungs, result = raced(0.5, 0)
    assert rungs == [
        list(CURVES),
        ["steady", "middling", "weak"],
        ["steady", "middling"],
        ["steady"],
    ]
    assert result.finishers == ("steady",)
    assert len(result.members["late"]) == 1, "who retired keeps what it reached"


def test_a_wildcard_saves_who_is_slow_and_better_in_the_end() -> None:
    """After the first rung it is the best of those left behind, later who gained most."""
    rungs, result = raced(0.5, 1)
    assert rungs == [
        list(CURVES),
        ["steady", "middling", "weak", "late"],
        ["steady", "middling", "late"],
        ["steady", "middling", "late"],
    ]
    assert result.finishers == ("steady", "middling", "late")


@pytest.mark.parametrize("wildcards", [0, 1, 2])
def test_more_wildcards_train_on_more_arms(wildcards: int) -> None:
    rungs, _ = raced(0.4, wildcards)
    assert len(rungs[1]) == 2 + wildcards
