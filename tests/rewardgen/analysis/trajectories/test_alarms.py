"""Alarms: what trips them, how grave they are, and that they carry their numbers."""

from __future__ import annotations

from typing import Any

import pytest

from rewardgen.analysis.trajectories.alarms import alarms
from rewardgen.store.analysis_records import (
    Alarm,
    CorrelationRecord,
    DivergenceRecord,
    Estimated,
    SignRecord,
    TermRecord,
)

UNKNOWN = Estimated(value=None, reason="unknown")


def sign(figure: float) -> SignRecord:
    return SignRecord(
        name="action saturation",
        figure=figure,
        threshold=0.9,
        tripped=figure >= 0.9,
        meaning="share of actions at an end of their range",
    )


def term(status: str = "ok", auc: Estimated = UNKNOWN) -> TermRecord:
    return TermRecord(
        name="speed",
        mean=1.0,
        deviation=0.1,
        variance_share=1.0,
        advantage_share=0.95,
        at_low=0.0,
        at_high=0.97,
        status=status,
        auc=auc,
    )


def apart(
    *, diverged: bool = False, trend: float | None = 0.9, level: Estimated = UNKNOWN
) -> DivergenceRecord:
    return DivergenceRecord(
        drop=Estimated(value=-0.5, interval=(-0.6, -0.4)),
        drop_height=-2.0,
        best_env_steps=40_000.0,
        proxy_rose=3.0,
        proxy_trend=trend,
        level_correlation=level,
        change_correlation=UNKNOWN,
        change_env_steps=None,
        change=None,
        diverged=diverged,
        onset_env_steps=40_000.0 if diverged else None,
    )


def correlation(
    reference: tuple[float, float] = (0.4, 0.6),
    policy: tuple[float, float] = (0.4, 0.6),
    gain: tuple[float, float] = (1.0, 2.0),
    needed: float | None = None,
) -> CorrelationRecord:
    def of(ends: tuple[float, float]) -> Estimated:
        return Estimated(value=sum(ends) / 2, interval=ends)

    return CorrelationRecord(
        reference=of(reference), policy=of(policy), fitness_gain=of(gain), needed_gain=needed
    )


def raised(**changes: object) -> tuple[Alarm, ...]:
    given: dict[str, Any] = {
        "success": 0.1,
        "dying_pays": UNKNOWN,
        "terms": [term()],
        "divergence": apart(),
        "correlation": correlation(),
        "signs": [sign(0.2)],
    }
    return alarms(**{**given, **changes})


def test_a_clean_reward_raises_none() -> None:
    assert raised() == ()
    assert raised(divergence=None) == ()


@pytest.mark.parametrize(
    ("success", "severity"), [(None, "warning"), (0.49, "warning"), (0.5, "info"), (1.0, "info")]
)
def test_a_sign_is_a_warning_unless_the_policies_succeed(
    success: float | None, severity: str
) -> None:
    (alarm,) = raised(success=success, signs=[sign(0.95)])
    assert (alarm.rule, alarm.severity) == ("action-saturation", severity)
    assert (alarm.figure, alarm.threshold) == (0.95, 0.9)
    assert "0.95" in alarm.message and "0.9" in alarm.message


def test_divergence_says_since_when_and_how_much() -> None:
    (alarm,) = raised(divergence=apart(diverged=True))
    assert alarm.rule == "proxy-divergence" and alarm.severity == "warning"
    assert "40,000" in alarm.message and "50%" in alarm.message


def test_a_correlation_that_flips() -> None:
    (alarm,) = raised(correlation=correlation(policy=(-0.6, -0.2)))
    assert alarm.rule == "correlation-flip" and alarm.figure == pytest.approx(-0.4)
    assert raised(correlation=correlation(policy=(-0.6, 0.2))) == ()
    assert raised(correlation=correlation(reference=(-0.1, 0.2), policy=(-0.6, -0.2))) == ()


def test_worse_than_random_although_the_reward_went_with_the_fitness() -> None:
    worse = correlation(gain=(-2.0, -1.0))
    (alarm,) = raised(correlation=worse, divergence=None)
    assert alarm.rule == "worse-than-random" and alarm.figure == pytest.approx(-1.5)


def test_dying_pays_only_beyond_chance() -> None:
    (alarm,) = raised(dying_pays=Estimated(value=5.0, interval=(1.0, 9.0)))
    assert alarm.rule == "dying-pays"
    assert raised(dying_pays=Estimated(value=5.0, interval=(-1.0, 11.0))) == ()
    assert raised(dying_pays=Estimated(value=-5.0, interval=(-9.0, -1.0))) == ()


@pytest.mark.parametrize("status", ["dead", "saturated", "dominant"])
def test_remarks_on_terms_are_informations(status: str) -> None:
    (alarm,) = raised(terms=[term(status)])
    assert (alarm.rule, alarm.severity) == (f"{status}-term", "info")
    assert "speed" in alarm.message


def test_warnings_come_first() -> None:
    first, second = raised(terms=[term("dead")], signs=[sign(0.95)])
    assert (first.severity, second.severity) == ("warning", "info")


def test_a_term_that_pays_failures_is_told() -> None:
    (alarm,) = raised(terms=[term(auc=Estimated(value=0.2, interval=(0.1, 0.3)))])
    assert (alarm.rule, alarm.severity) == ("term-against-success", "info")
    assert raised(terms=[term(auc=Estimated(value=0.4, interval=(0.2, 0.6)))]) == ()


def test_a_return_that_rises_without_the_fitness() -> None:
    low, high = (Estimated(value=v, interval=(v - 0.1, v + 0.1)) for v in (0.49, 0.5))
    (alarm,) = raised(divergence=apart(level=low))
    assert (alarm.rule, alarm.severity) == ("return-without-fitness", "warning")
    assert (alarm.figure, alarm.threshold) == (0.49, 0.5) and "0.49" in alarm.message
    assert raised(divergence=apart(level=high)) == ()


def test_policies_no_better_than_random_although_their_return_rose() -> None:
    (alarm,) = raised(correlation=correlation(gain=(-0.5, 2.0), needed=1.0))
    assert alarm.rule == "no-better-than-random" and alarm.figure == pytest.approx(0.75)


def test_far_from_success_only_where_success_means_something() -> None:
    (alarm,) = raised(correlation=correlation(needed=10.0))
    assert alarm.rule == "far-from-success" and alarm.figure == pytest.approx(0.15)
    assert "15%" in alarm.message
    assert raised(correlation=correlation(needed=3.0)) == ()
    assert raised(correlation=correlation(needed=None)) == ()


@pytest.mark.parametrize("trend", [None, 0.4])
def test_a_policy_that_learned_nothing_says_nothing_of_its_reward(trend: float | None) -> None:
    low = Estimated(value=-0.9, interval=(-1.0, -0.8))
    given = apart(trend=trend, level=low)
    assert raised(divergence=given, correlation=correlation(gain=(-0.5, 0.5), needed=9.0)) == ()
