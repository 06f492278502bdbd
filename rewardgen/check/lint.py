"""Lint: what is odd about a reward whatever its task wants, by what it does on states of the task.

Every remark carries its figure. Fitness is asked for one thing only, whether a cost is the goal
itself; the rest is the critic's.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

from rewardgen.check.measures import Penalty, agreement, differences, penalties, split
from rewardgen.check.review import TINY, Review, finding, quantile, width
from rewardgen.rewards.findings import Finding, more

STAGE = "lint"
LINGERS = 0.5
"""An undiscounted difference is told of if lingering pays this share of all else."""
MOST, USUAL = 1.0, 0.75
"""A penalty outweighs if at most it takes this share of what all else varies by over all states,
or usually this share of what all else varies by in random play."""
GOAL = 0.9
"""A cost is the goal if it agrees with fitness so well."""
RATIO = 100.0
"""Between the terms that vary most and least."""
HORIZONS = 3.0
"""Episodes may be so many times as long as the discount looks ahead."""
SPARSE = 0.01
"""A reward is sparse if it differs from its usual value in fewer of the ordinary steps."""
RARE = 0.005
BEYOND = 0.2
"""Bounds are out of reach if farther off than this share of what a feature varies by."""


def lint(review: Review) -> list[Finding]:
    """Return what there is to say about a reward, in the order of the rules."""
    return [each for rule in RULES.values() for each in rule(review)]


def _difference(review: Review) -> Iterator[Finding]:
    gamma = review.evidence.gamma
    for each in differences(review):
        heavy = each.lingers > LINGERS * max(each.others, TINY)
        yield finding(
            STAGE,
            "difference-undiscounted",
            "warning" if heavy else "info",
            review.line(each.term),
            f"term '{each.term}' is an undiscounted difference of two states: with the discount "
            f"{gamma:g} it pays up to {each.lingers:.2g} in each step for lingering where its "
            f"quantity is high; all else varies by {each.others:.2g}",
            "pay for the quantity itself, or shape by a potential, discounted outside of the code",
        )


def _penalty(review: Review) -> Iterator[Finding]:
    for each in penalties(review):
        outweighs = each.most > MOST * max(each.others, TINY)
        usual = each.usual > USUAL * max(each.ordinary, TINY)
        if outweighs or (usual and not _is_goal(review, each)):
            yield finding(
                STAGE,
                "penalty-outweighs",
                "warning",
                review.line(each.term),
                f"term '{each.term}' takes {each.usual:.3g} in a step of random play and up to "
                f"{each.most:.3g}; all else varies by {each.ordinary:.3g} there and by "
                f"{each.others:.3g} over all states",
                "weigh it down until doing what the task asks pays more than avoiding it",
            )


def _is_goal(review: Review, penalty: Penalty) -> bool:
    """Whether a cost is the goal, as what is left of the way: less where it is good by fitness."""
    parts = split(review)
    return parts is not None and agreement(-penalty.taken, parts) >= GOAL


def _dying(review: Review) -> Iterator[Finding]:
    """Ending the episode must not beat going on, at least where things go well."""
    ordinary = review.source("random")
    if ordinary is None or not review.evidence.endings:
        return
    reach = 1.0 / (1.0 - review.evidence.gamma) if review.evidence.gamma < 1.0 else 1e9
    steps = min(float(review.evidence.episode_steps), reach)
    well = quantile(review.answers.reward[review.alive], 0.9) * steps
    usual = float(ordinary.reward.double().mean()) * steps
    for cause, transitions in review.evidence.endings.items():
        output = review.of(transitions)
        end = quantile(output.reward[output.reward.isfinite()], 0.5)
        if end <= usual + TINY * steps:
            continue
        pays = end > well + TINY * steps
        yield finding(
            STAGE,
            "dying-pays",
            "warning" if pays else "info",
            None,
            f"ending the episode by '{cause}' gives {end:.3g}; going on for {steps:.0f} steps, as "
            f"far as the discount looks, gives {usual:.3g} in random play and {well:.3g} where "
            "things go well",
            "make an ordinary step pay more than nothing, or the end cost more than going on",
        )
        return


def _magnitude(review: Review) -> Iterator[Finding]:
    """Terms must not drown each other; small costs are told of only.

    What a term can pay in any state met is held against what others vary by in ordinary play: a
    term that is rarely paid may well be small there.
    """
    ordinary = review.source("random")
    if ordinary is None:
        return
    costs = {each.term for each in penalties(review)}
    names = [name for name in review.answers.terms if not review.only_flags(name)]
    usual = {name: width(ordinary.terms[name]) for name in names}
    for name in names:
        values = review.answers.terms[name][review.alive]
        most = float(values.max() - values.min())
        largest = max(usual, key=lambda other: usual[other])
        if most <= TINY or usual[largest] <= RATIO * most:
            continue
        yield finding(
            STAGE,
            "magnitude-ratio",
            "info" if name in costs else "warning",
            review.line(name),
            f"term '{name}' varies by {most:.2g} over all states, '{largest}' by "
            f"{usual[largest]:.2g} in random play, {usual[largest] / most:,.0f} times as much",
            "bring terms that matter to a like size",
        )


def _horizon(review: Review) -> Iterator[Finding]:
    evidence, ordinary = review.evidence, review.source("random")
    horizons = evidence.episode_steps * (1.0 - evidence.gamma)
    if horizons <= HORIZONS or ordinary is None:
        return
    values = ordinary.reward
    usual = values.median()
    share = float(((values - usual).abs() > TINY * (1.0 + usual.abs())).double().mean())
    sparse = width(review.answers.reward) > 0.0 and share < SPARSE
    where = f"; it differs from {float(usual):.3g} in {share:.1%} of the steps of random play"
    yield finding(
        STAGE,
        "horizon",
        "warning" if sparse else "info",
        None,
        f"an episode has {evidence.episode_steps} steps, the discount {evidence.gamma:g} looks "
        f"{1.0 / (1.0 - evidence.gamma):.0f} steps ahead, {horizons:.1f} times less"
        f"{where if sparse else ''}",
        "pay along the way for what leads to the goal",
    )


def _bounds(review: Review) -> Iterator[Finding]:
    """Bounds of a tolerance that lie far from all that a feature takes."""
    reading, table = review.reading, review.evidence.table
    rows = review.rows.transitions.next_state[review.alive]
    for node in ast.walk(reading.entry):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
            continue
        if node.func.id != "tolerance" or not node.args:
            continue
        name = _feature(review, node.args[0])
        bounds = _pair(node)
        if name is None or bounds is None or table[name].shape:
            continue
        column = rows[:, table.columns(name).start]
        low, high = quantile(column, RARE), quantile(column, 1.0 - RARE)
        gap = max(bounds[0] - high, low - bounds[1])
        if gap > BEYOND * max(high - low, TINY):
            yield finding(
                STAGE,
                "bounds-out-of-reach",
                "warning",
                node.lineno,
                f"tolerance asks for '{name}' within {bounds[0]:g} to {bounds[1]:g}; in "
                f"{len(column):,} states it took {low:.3g} to {high:.3g}",
                "check the feature and its unit, and the bounds",
            )


def _feature(review: Review, node: ast.expr) -> str | None:
    """Return the feature that an expression is, None if it is none itself."""
    if isinstance(node, ast.Name):
        value = review.reading.value(node.id)
        return None if value is None or isinstance(value, ast.Name) else _feature(review, value)
    if isinstance(node, ast.Attribute) and review.reading.is_view(node.value):
        return node.attr if node.attr in review.evidence.table else None
    return None


def _pair(node: ast.Call) -> tuple[float, float] | None:
    """Return the bounds of a tolerance as written, None if they are no two numbers."""
    given = node.args[1] if len(node.args) > 1 else None
    for keyword in node.keywords:
        given = keyword.value if keyword.arg == "bounds" else given
    if given is None:
        return 0.0, 0.0
    try:
        low, high = ast.literal_eval(given)
        return float(low), float(high)
    except (ValueError, TypeError):
        return None


def _same_twice(review: Review) -> Iterator[Finding]:
    """A function or difference of two values that are the same."""
    for node in ast.walk(review.reading.entry):
        match node:
            case ast.BinOp(left=left, op=ast.Sub() | ast.Div(), right=right):
                pair = (left, right)
            case ast.Call(args=[first, second]) if _pairing(node):
                pair = (first, second)
            case _:
                continue
        text = ast.unparse(pair[0])
        if text == ast.unparse(pair[1]) and not isinstance(pair[0], ast.Constant):
            yield finding(
                STAGE,
                "same-twice",
                "warning",
                node.lineno,
                f"'{ast.unparse(node)}' takes '{text}' twice",
                "one of them was probably meant to be another feature",
            )


def _pairing(node: ast.Call) -> bool:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    return name in ("hypot", "atan2", "arctan2", "maximum", "minimum", "dist")


def _factors(review: Review) -> Iterator[Finding]:
    """Values on the way to the total that are the same in every state."""
    values = review.intermediates
    rows = review.alive
    reaching = review.reading.behind(*review.reading.totals)
    constant = [
        name
        for name, value in values.items()
        if name in reaching
        and review.reading.features(*review.reading.values(name)) - review.flags
        and width(value[rows]) <= TINY
        and float(value[rows].abs().median()) > TINY
    ]
    # of a chain of them the first is the cause
    for name in constant[:1]:
        value = float(values[name][rows].median())
        yield finding(
            STAGE,
            "value-constant",
            "warning",
            review.reading.line(name),
            f"'{name}' is {value:.3g} in nearly all of {int(rows.sum()):,} states: it tells none "
            "of them apart",
            "check the feature, the unit and the numbers that it is compared with",
        )


def _lasting(review: Review) -> Iterator[Finding]:
    """A penalty that nothing avoids is a constant, and what it should forbid makes it no larger."""
    lasting = [
        each for each in penalties(review) if each.usual > TINY and each.least > 0.3 * each.usual
    ]
    if lasting:
        names = more([repr(each.term) for each in lasting], 3)
        least, usual = lasting[0].least, lasting[0].usual
        yield finding(
            STAGE,
            "penalty-lasting",
            "warning",
            review.line(lasting[0].term),
            f"penalty {names} takes at least {least:.3g} in every state met, {usual:.3g} as a rule",
            "measure what is to be avoided from where it is not there",
        )


RULES: dict[str, Callable[[Review], Iterator[Finding]]] = {
    "difference-undiscounted": _difference,
    "penalty-outweighs": _penalty,
    "penalty-lasting": _lasting,
    "dying-pays": _dying,
    "magnitude-ratio": _magnitude,
    "horizon": _horizon,
    "bounds-out-of-reach": _bounds,
    "same-twice": _same_twice,
    "value-constant": _factors,
}
