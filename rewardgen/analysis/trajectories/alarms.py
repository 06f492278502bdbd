"""From figures to findings: what a designer should hear of, each with its number and threshold.

An alarm is a warning where the policies fare badly, and an information where they succeed: a sign
of exploitation is then no more than a description of how they do it.
"""

from __future__ import annotations

from collections.abc import Sequence

from rewardgen.analysis.feedback import TermStatus
from rewardgen.analysis.reflection import REMARKS
from rewardgen.analysis.trajectories.divergence import DROP_FROM
from rewardgen.store.analysis_records import (
    Alarm,
    CorrelationRecord,
    DivergenceRecord,
    Estimated,
    Severity,
    SignRecord,
    TermRecord,
)

FARES_WELL_FROM = 0.5
"""Share of the episodes that succeed."""
AUC_BELOW = 0.5
RISING_FROM = 0.5
"""Trend of the return along training from which on the policies learned what pays."""
TOGETHER_FROM = 0.5
"""Correlation of return and fitness along training of a reward that teaches the task."""
SHORT_BELOW = 0.5
"""Share of the way from random actions to success."""


def alarms(
    *,
    success: float | None,
    dying_pays: Estimated,
    terms: Sequence[TermRecord],
    divergence: DivergenceRecord | None,
    correlation: CorrelationRecord,
    signs: Sequence[SignRecord],
) -> tuple[Alarm, ...]:
    """Return the alarms, warnings first.

    Args:
        success: share of the episodes that succeed, None where success means nothing.
        dying_pays: return of episodes that ended early minus that of full ones.
        terms: the reward's terms.
        divergence: along training, None if the training is not known.
        correlation: of reward and fitness.
        signs: of exploitation.
    """
    fares_well = success is not None and success >= FARES_WELL_FROM
    found = [
        *([] if divergence is None else _divergence(divergence)),
        *([] if divergence is None else _training(divergence, correlation)),
        *_correlation(correlation),
        *_dying(dying_pays),
        *(alarm for sign in signs for alarm in _sign(sign, fares_well)),
        *(alarm for term in terms for alarm in _term(term)),
    ]
    return tuple(sorted(found, key=lambda alarm: alarm.severity != "warning"))


def _divergence(record: DivergenceRecord) -> list[Alarm]:
    if not record.diverged or record.drop.value is None or record.onset_env_steps is None:
        return []
    message = (
        f"after {record.onset_env_steps:,.0f} env-steps the fitness fell by "
        f"{-record.drop.value:.0%} of its range while the reward's return rose by "
        f"{record.proxy_rose:.3g}: the reward pays for something else"
    )
    return [_alarm("proxy-divergence", "warning", message, record.drop.value, -DROP_FROM)]


def _training(record: DivergenceRecord, correlation: CorrelationRecord) -> list[Alarm]:
    """Report a return that rose along training, and a fitness that did not care."""
    if record.proxy_trend is None or record.proxy_trend < RISING_FROM:
        return []
    found: list[Alarm] = []
    together = record.level_correlation.value
    if together is not None and together < TOGETHER_FROM:
        message = (
            f"the reward's return rose along training, and the fitness did not rise with it "
            f"(correlation {together:.2f})"
        )
        found.append(_alarm("return-without-fitness", "warning", message, together, TOGETHER_FROM))
    gain, needed = correlation.fitness_gain, correlation.needed_gain
    if gain.value is None or gain.interval is None:
        return found
    if gain.interval[0] <= 0.0:
        message = (
            "the reward's return rose along training, yet the trained policies are no better than "
            "random actions beyond chance"
        )
        found.append(_alarm("no-better-than-random", "warning", message, gain.value, 0.0))
    elif needed is not None and gain.value < SHORT_BELOW * needed:
        share = gain.value / needed
        message = (
            f"the reward's return rose along training, yet the trained policies have come "
            f"{share:.0%} of the way from random actions to success"
        )
        found.append(_alarm("far-from-success", "warning", message, share, SHORT_BELOW))
    return found


def _correlation(record: CorrelationRecord) -> list[Alarm]:
    """Report a proxy that went with the fitness where it was written, but not where it led."""
    before, after, gain = record.reference, record.policy, record.fitness_gain
    if before.interval is None or before.value is None or before.interval[0] <= 0.0:
        return []
    found: list[Alarm] = []
    if after.value is not None and after.interval is not None and after.interval[1] < 0.0:
        message = (
            f"reward and fitness go together under random actions (correlation "
            f"{before.value:.2f}), but against each other under the trained policies "
            f"({after.value:.2f})"
        )
        found.append(_alarm("correlation-flip", "warning", message, after.value, 0.0))
    if gain.value is not None and gain.interval is not None and gain.interval[1] < 0.0:
        message = (
            f"reward and fitness go together under random actions (correlation "
            f"{before.value:.2f}), yet the trained policies are worse than those by "
            f"{-gain.value:.3g}"
        )
        found.append(_alarm("worse-than-random", "warning", message, gain.value, 0.0))
    return found


def _dying(pays: Estimated) -> list[Alarm]:
    if pays.value is None or pays.interval is None or pays.interval[0] <= 0.0:
        return []
    message = (
        f"episodes that end early earn {pays.value:.3g} more than full ones: the reward gives a "
        "reason to end the episode"
    )
    return [_alarm("dying-pays", "warning", message, pays.value, 0.0)]


def _sign(sign: SignRecord, fares_well: bool) -> list[Alarm]:
    if not sign.tripped or sign.figure is None:
        return []
    message = f"{sign.name}: {sign.meaning} is {sign.figure:.2g} (from {sign.threshold:g})"
    severity: Severity = "info" if fares_well else "warning"
    rule = sign.name.replace(" ", "-")
    return [_alarm(rule, severity, message, sign.figure, sign.threshold)]


def _term(term: TermRecord) -> list[Alarm]:
    found: list[Alarm] = []
    status = TermStatus(term.status)
    if status in REMARKS:
        figure, threshold = _status_figure(term, status)
        message = f"term {term.name} {REMARKS[status]}"
        found.append(_alarm(f"{status.value}-term", "info", message, figure, threshold))
    auc = term.auc
    if auc.value is not None and auc.interval is not None and auc.interval[1] < AUC_BELOW:
        message = (
            f"term {term.name} pays failures more than successes: a success earns more of it with "
            f"probability {auc.value:.2f}"
        )
        # no warning: an honest cost is such a term, as who succeeds does more
        found.append(_alarm("term-against-success", "info", message, auc.value, AUC_BELOW))
    return found


def _status_figure(term: TermRecord, status: TermStatus) -> tuple[float, float]:
    match status:
        case TermStatus.DEAD:
            return term.deviation, 0.0
        case TermStatus.SATURATED:
            return max(term.at_low, term.at_high), 1.0
        case _:
            return term.advantage_share or 0.0, 1.0


def _alarm(rule: str, severity: Severity, message: str, figure: float, threshold: float) -> Alarm:
    return Alarm(rule=rule, severity=severity, message=message, figure=figure, threshold=threshold)
