"""The critic: does a reward pay for what its task wants? From its text, and from numbers.

What an experienced colleague would ask before any training (the critic of Li et al., "Auto
MC-Reward", 2024, without a language model): is the total the sum of its terms, does it rise where
fitness does, is effort a cost, can survival alone win, are angles taken for degrees, is that the
right axis? Each remark carries the figure it rests on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rewardgen.check.axes import misnamed, unasked, unread_components
from rewardgen.check.degrees import Degrees
from rewardgen.check.measures import (
    UNADDED,
    agreement,
    effort_gain,
    ending_costs,
    exchanged,
    living_pays,
    ordinary_spread,
    penalties,
    slopes,
    split,
    weights,
    without_action,
)
from rewardgen.check.review import TINY, Review, finding, quantile
from rewardgen.rewards.findings import Finding

STAGE = "critic"
AGAINST, BETTER, FOLLOWS = 0.15, 0.1, 0.6
"""Agreement with fitness: below the first a reward is against it; an exchange of axes is told of
if it is better by the second and reaches the third."""
FORBIDS = 0.05
"""A penalty forbids what the task wants if its agreement with fitness is below this."""
PAYS = 0.9
"""Share of the ordinary states in which a mistake has to show."""
GAIN = 0.05
"""Share of the reward's spread that a rise with an error has to make."""
OUTWEIGHS = 0.75
"""Survival outweighs if it pays this share of what the reward varies by."""
RAREST = 0.005
"""Share of the states that may pay less than what every state pays."""


def critic(review: Review) -> list[Finding]:
    """Return what contradicts the task, in the order of the rules.

    A total that is the same everywhere is all that there is to say about such a reward.
    """
    findings = list(_constant(review))
    if not findings:
        findings = [each for rule in RULES.values() for each in rule(review)]
    return findings


def _constant(review: Review) -> Iterator[Finding]:
    values = review.answers.reward
    if len(values) and float(values.max() - values.min()) <= TINY * (
        1.0 + float(values.abs().max())
    ):
        yield finding(
            STAGE,
            "total-constant",
            "error",
            _total_line(review),
            f"the reward is {float(values[0]):g} in all of {len(values):,} states: it pays for "
            "nothing",
            "add up the terms and return their sum",
        )


def _negated(review: Review) -> Iterator[Finding]:
    """A total that takes away what the terms report, those reported as costs included."""
    found = weights(review)
    terms = {name: review.answers.terms[name][review.alive] for name in found}
    signs = {
        1 if float(values.min()) >= -TINY else -1 if float(values.max()) <= TINY else 0
        for values in terms.values()
    }
    if found and all(weight < -UNADDED for weight in found.values()) and signs - {1}:
        yield finding(
            STAGE,
            "total-negated",
            "error",
            _total_line(review),
            f"the reward is the sum of its {len(found)} terms with the opposite sign of each",
            "return the sum of the terms, or report what is added",
        )


def _fitness(review: Review) -> Iterator[Finding]:
    """The reward must not fall where the task's fitness rises."""
    parts = split(review)
    if parts is None:
        return
    # whoever is good without any effort may pay for it beside
    value = max(agreement(v, parts) for v in (review.answers.reward, without_action(review)))
    if value < AGAINST:
        yield finding(
            STAGE,
            "against-fitness",
            "error",
            _total_line(review),
            f"good states by the task's fitness ('{review.evidence.metric}') get more than others "
            f"in {value:.0%} of {len(parts.good):,} x {len(parts.bad):,} pairs of states; chance "
            "would be 50 %",
            "check the signs of total and terms, and what the main term measures",
        )


def _exchange(review: Review) -> Iterator[Finding]:
    """Another axis in the place of one that is read must not agree much better with fitness."""
    parts = split(review)
    if parts is None:
        return
    value = agreement(review.answers.reward, parts)
    if value > 1.0 - BETTER:
        return
    found = exchanged(review, parts)
    best = max(found, key=lambda each: each.agreement, default=None)
    if best is not None and best.agreement > max(value + BETTER, FOLLOWS):
        yield finding(
            STAGE,
            "wrong-axis",
            "warning",
            _reading_line(review, best.features),
            f"with {best.words} exchanged, good states by fitness would get more than others in "
            f"{best.agreement:.0%} of all pairs, as it is in {value:.0%}",
            "check which axis is meant",
        )


def _forbidden(review: Review) -> Iterator[Finding]:
    """A penalty must not fall on just those states that are good."""
    parts = split(review)
    if parts is None:
        return
    for each in penalties(review):
        value = agreement(-each.taken, parts)
        if value < FORBIDS and not _acts(review, each.term):
            yield finding(
                STAGE,
                "penalty-on-goal",
                "warning",
                review.line(each.term),
                f"penalty '{each.term}' takes more in good states by fitness than in others in "
                f"{1.0 - value:.0%} of all pairs",
                "check which feature it reads, and its sign",
            )


def _acts(review: Review, term: str) -> bool:
    """Whether a term is a cost of the action."""
    reported = review.reading.terms.get(term)
    return reported is not None and review.reading.action in review.reading.behind(reported.value)


def _effort(review: Review) -> Iterator[Finding]:
    gain = effort_gain(review)
    if gain is not None and gain >= PAYS:
        yield finding(
            STAGE,
            "effort-paid",
            "warning",
            _acting_line(review),
            f"in {gain:.0%} of the states any action pays more than none, whichever way it goes",
            "subtract what effort costs",
        )


def _alive(review: Review) -> Iterator[Finding]:
    """Not ending must not pay more by itself than all that the task asks for."""
    bonus, spread = min(ending_costs(review), living_pays(review)), ordinary_spread(review)
    least = quantile(review.answers.reward[review.alive], RAREST)
    if bonus > OUTWEIGHS * max(spread, TINY):
        figure = (
            f"a step that does not end the episode pays {bonus:.3g} for that alone; between good "
            f"and bad states the reward varies by {spread:.3g}"
        )
    elif least > OUTWEIGHS * max(review.spread, TINY):
        figure = (
            f"every step pays at least {least:.3g}, whatever happens; between good and bad states "
            f"the reward varies by {review.spread:.3g}"
        )
    else:
        return
    yield finding(
        STAGE,
        "alive-outweighs",
        "warning",
        _reading_line(review, review.flags),
        figure,
        "pay less for survival than for what is asked",
    )


def _errors(review: Review) -> Iterator[Finding]:
    for slope in slopes(review):
        if slope.rises >= PAYS and slope.gain > GAIN:
            yield finding(
                STAGE,
                "error-paid",
                "warning",
                _reading_line(review, frozenset({slope.feature})),
                f"more '{slope.feature}' pays more in {slope.rises:.0%} of the states, by "
                f"{slope.gain:.0%} of what the reward varies by",
                "check its sign: distances and errors are to shrink",
            )


def _degrees(review: Review) -> Iterator[Finding]:
    evidence = review.evidence
    for slip in Degrees(review.reading, evidence.table, evidence.largest).slips():
        yield finding(
            STAGE,
            "degrees",
            "warning",
            slip.line,
            slip.figure,
            "features are in radians: write numbers in radians, as math.radians(30)",
        )


def _axes(review: Review) -> Iterator[Finding]:
    reading, table = review.reading, review.evidence.table
    slips = [
        *unread_components(reading, table),
        *misnamed(reading, table),
        *unasked(reading, table, review.evidence.sentence),
    ]
    for slip in slips:
        yield finding(
            STAGE, "wrong-axis", "warning", slip.line, slip.figure, "check which axis is meant"
        )


def _not_added(review: Review) -> Iterator[Finding]:
    """What is computed must reach the total."""
    told: set[str] = set()
    for name, reported in review.reading.lost.items():
        told.add(name)
        yield _unadded(f"term '{name}' is computed and reported, but not added", reported.line)
    for name, weight in weights(review).items():
        if abs(weight) < UNADDED and name not in told:
            figure = f"term '{name}' has the weight {weight:.1g} in the total: it is not added"
            yield _unadded(figure, review.line(name))
    for name, line in review.reading.unused.items():
        yield _unadded(f"'{name}' is computed, but neither added nor reported", line)


def _unadded(message: str, line: int | None) -> Finding:
    return finding(
        STAGE, "not-added", "warning", line, message, "add it to the total, or leave it out"
    )


def _total_line(review: Review) -> int:
    """Return the line that gives the total."""
    return review.reading.totals[0].lineno if review.reading.totals else review.reading.entry.lineno


def _acting_line(review: Review) -> int | None:
    """Return the line of the first term that is computed from the action."""
    lines = [each.line for name, each in review.reading.terms.items() if _acts(review, name)]
    return min(lines, default=None)


def _reading_line(review: Review, features: frozenset[str]) -> int | None:
    """Return the line of the first term that is computed from one of some features."""
    lines = [
        each.line
        for each in review.reading.terms.values()
        if features & review.reading.features(each.value)
    ]
    return min(lines, default=None)


RULES: dict[str, Callable[[Review], Iterator[Finding]]] = {
    "total-negated": _negated,
    "against-fitness": _fitness,
    "error-paid": _errors,
    "effort-paid": _effort,
    "alive-outweighs": _alive,
    "penalty-on-goal": _forbidden,
    "degrees": _degrees,
    "axes": _axes,
    "exchange": _exchange,
    "not-added": _not_added,
}
