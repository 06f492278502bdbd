"""New shapes and terms, drawn from a space. Numbers come from the observed ranges."""

from __future__ import annotations

import math
from collections.abc import Iterable
from random import Random

from rewardgen.analysis.columns import ColumnStatistics
from rewardgen.design.evolve.describe import term_name
from rewardgen.design.evolve.grammar import (
    ActionChange,
    Effort,
    Exponential,
    Factor,
    Flag,
    Form,
    Linear,
    Progress,
    Quadratic,
    Saturating,
    Shape,
    Signal,
    Term,
    Tolerance,
    rounded,
    signal_of,
)
from rewardgen.design.evolve.lexicon import Role, Want
from rewardgen.design.evolve.space import Quantity, Space
from rewardgen.design.evolve.words import stems

TERMINATED = Signal("terminated")
# what a program is mainly about is drawn more sharply than what else it pays for
GOAL_SHARPNESS = 1.5
MOVING = frozenset({Role.VELOCITY, Role.RATE})
# what moves along with the goal, or is called after the same thing, helps more often
AKIN = 3.0
KIND_WORDS = frozenset(stems("velocity rate angle height position distance angular speed"))
GROWING = frozenset({Role.POSITION, Role.HEIGHT, Role.DISTANCE, Role.COUNT, Role.ANGLE, Role.PURE})
# of these a change is what is meant more often than a place: who is paid for the place stays where
# it is safe
TRAVELLED = frozenset({Role.POSITION, Role.DISTANCE, Role.COUNT, Role.ANGLE})


class Kind:
    """Names of the ways to shape a signal, the keys of the weights below."""

    LINEAR = "linear"
    TOLERANCE = "tolerance"
    SATURATING = "saturating"
    EXPONENTIAL = "exponential"
    QUADRATIC = "quadratic"
    COSINE = "cosine"
    PROGRESS = "progress"
    FLAG = "flag"


def kinds(quantity: Quantity, want: Want, *, bounded: bool) -> dict[str, float]:
    """Return the ways to shape a quantity for a want, with their weights.

    Args:
        quantity: the quantity.
        want: what to want of it.
        bounded: only shapes with values in [0, 1], for products.
    """
    if quantity.role is Role.EVENT:
        return {Kind.FLAG: 1.0}
    if bounded:
        exponential = want is Want.NEAR or quantity.role is Role.DISTANCE
        return {Kind.TOLERANCE: 2.0, Kind.EXPONENTIAL: 1.0 if exponential else 0.0}
    growing = 3.0 if quantity.role in TRAVELLED else 1.0 if quantity.role in GROWING else 0.0
    match want:
        case Want.MORE:
            return {
                Kind.LINEAR: 4.0,
                Kind.TOLERANCE: 2.0,
                Kind.SATURATING: 1.5,
                Kind.PROGRESS: growing,
            }
        case Want.LESS:
            near = 2.0 if quantity.role is Role.DISTANCE else 0.0
            return {
                Kind.LINEAR: 3.0,
                Kind.TOLERANCE: 2.0,
                Kind.EXPONENTIAL: near,
                Kind.SATURATING: 1.0,
                Kind.PROGRESS: growing,
            }
        case Want.NEAR:
            cosine = quantity.role is Role.ANGLE and quantity.target == 0.0
            return {
                Kind.TOLERANCE: 3.0,
                Kind.EXPONENTIAL: 2.0,
                Kind.COSINE: 3.0 if cosine and quantity.signal.form is Form.PLAIN else 0.0,
                Kind.QUADRATIC: 3.0 if quantity.role in MOVING else 1.0,
            }


def pick(rng: Random, weights: dict[str, float]) -> str:
    """Draw a key with probability proportional to its weight."""
    return rng.choices(list(weights), list(weights.values()))[0]


def draw_shape(
    rng: Random, quantity: Quantity, want: Want, *, bounded: bool = False, kind: str | None = None
) -> tuple[Shape, float]:
    """Return a shape that serves a want, and the sign with which it pays."""
    if kind is None:
        kind = pick(rng, kinds(quantity, want, bounded=bounded))
    signal, scale, seen = quantity.signal, quantity.scale, quantity.seen
    sign = -1.0 if want is Want.LESS else 1.0
    match kind:
        case Kind.FLAG:
            return Flag(signal, bounded is False or want is not Want.LESS), 1.0 if bounded else sign
        case Kind.COSINE:
            return Linear(Signal(signal.feature, signal.index, Form.COSINE)), 1.0
        case Kind.EXPONENTIAL:
            target = quantity.target if want is Want.NEAR else 0.0
            return Exponential(signal, target, _draw(rng, scale, 0.15, 0.3, 0.6)), 1.0
        case Kind.QUADRATIC:
            return Quadratic(signal, quantity.target, rounded(scale)), -1.0
        case Kind.LINEAR:
            return _linear(quantity), sign
        case Kind.SATURATING:
            center = 0.0 if quantity.role in (Role.VELOCITY, Role.RATE) else rounded(seen.median)
            return Saturating(signal, center, _draw(rng, scale, 0.5, 1.0, 2.0)), sign
        case Kind.PROGRESS:
            return Progress(_linear(quantity)), sign
        case _:
            return _tolerance(rng, quantity, want), 1.0


def _linear(quantity: Quantity) -> Linear:
    scale = 1.0 if quantity.role in (Role.PURE, Role.COUNT) else rounded(quantity.scale)
    return Linear(quantity.signal, 0.0, scale)


def _draw(rng: Random, scale: float, *multiples: float) -> float:
    return max(rounded(scale * rng.choice(multiples)), 1e-6)


def _tolerance(rng: Random, quantity: Quantity, want: Want) -> Tolerance:
    signal, scale, seen = quantity.signal, quantity.scale, quantity.seen
    match want:
        case Want.NEAR:
            half = _draw(rng, scale, 0.02, 0.05, 0.1)
            low, high = rounded(quantity.target - half), rounded(quantity.target + half)
            margin = _draw(rng, scale, 0.3, 0.6, 1.0)
        case Want.MORE:
            unit = quantity.role is Role.PURE and -1.0 <= seen.low <= seen.high <= 1.0
            ceiling = 1.0 if unit else None
            low = rounded(beyond(rng, seen, scale, ceiling))
            high = math.inf
            margin = max(rounded(low - min(seen.median, low - 0.25 * scale)), 1e-6)
        case Want.LESS:
            low = -math.inf
            if quantity.role is Role.DISTANCE:
                high = _draw(rng, scale, 0.05, 0.1, 0.2)
            else:
                high = rounded(seen.median - scale * rng.choice((0.5, 1.0, 2.0, 4.0)))
            margin = max(rounded(max(seen.median - high, 0.25 * scale)), 1e-6)
    return Tolerance(signal, low, high, margin)


def beyond(rng: Random, seen: ColumnStatistics, scale: float, ceiling: float | None) -> float:
    """Return a goal above what has been seen; close to the ceiling if there is one."""
    if ceiling is not None:
        return ceiling - rng.choice((0.02, 0.05, 0.1, 0.2))
    return seen.median + scale * rng.choice((1.0, 2.0, 4.0, 8.0))


# ---- quantities


def choose(
    rng: Random, space: Space, *, exclude: frozenset[str] = frozenset(), flat: float = 1.0
) -> Quantity | None:
    """Draw a quantity by relevance.

    Args:
        rng: chance.
        space: the space.
        exclude: features not to use.
        flat: exponent of the relevance; below 1 the less relevant get their turn.
    """
    open_to = [q for q in space.quantities if q.signal.feature not in exclude]
    if not open_to:
        return None
    return rng.choices(open_to, [q.relevance**flat for q in open_to])[0]


def want_weight(quantity: Quantity, want: Want) -> float:
    """Return the weight with which a quantity and what to want of it are chosen."""
    return quantity.relevance * quantity.wants.get(want, 0.0) / sum(quantity.wants.values())


def goal_weight(quantity: Quantity, want: Want) -> float:
    """Return the weight with which a want is what a program is mainly about."""
    return want_weight(quantity, want) ** GOAL_SHARPNESS


def choose_helper(
    rng: Random, space: Space, goal: Quantity, want: Want, exclude: frozenset[str]
) -> tuple[Quantity, Want] | None:
    """Draw a quantity that may help towards a goal, and what to want of it.

    Quantities named after the same thing (``pole_angle``, ``pole_velocity``) come first, those
    of the same kind, which mostly say the same again, last. Where the goal is a state to be kept,
    not a motion, motion is to be calm.
    """
    open_to = [q for q in space.quantities if q.signal.feature not in exclude]
    if not open_to:
        return None
    named = set(stems(goal.signal.feature)) - KIND_WORDS
    holding = goal.role not in MOVING and (want is Want.NEAR or goal.role is Role.PURE)
    weights = [
        q.relevance**0.7
        * (AKIN if named & set(stems(q.signal.feature)) else 1.0)
        * (4.0 * AKIN if holding and q.role in MOVING else 1.0)
        / (AKIN if q.role is goal.role else 1.0)
        for q in open_to
    ]
    helper = rng.choices(open_to, weights)[0]
    if holding and helper.role in MOVING and rng.random() < 0.8:
        return helper, Want.NEAR
    return helper, choose_want(rng, helper)


def choose_want(rng: Random, quantity: Quantity) -> Want:
    """Draw what to want of a quantity."""
    return rng.choices(list(quantity.wants), list(quantity.wants.values()))[0]


# ---- terms


def make_term(shape: Shape, weight: float, taken: set[str]) -> Term:
    """Return a term of one factor."""
    return Term(term_name(shape, taken), rounded(weight), (Factor(shape),))


def draw_term(
    rng: Random, space: Space, quantity: Quantity, want: Want, weight: float, taken: set[str]
) -> Term:
    """Return a term for a want of a quantity."""
    shape, sign = draw_shape(rng, quantity, want)
    return make_term(shape, sign * weight * unit_weight(shape, space), taken)


def unit_weight(shape: Shape, space: Space) -> float:
    """Return the weight at which a shape counts about 1 per step at its best."""
    return rounded(1.0 / space.control_dt_s) if isinstance(shape, Progress) else 1.0


def survival(weight: float, taken: set[str]) -> Term:
    """Return a bonus for every step that does not end in a termination."""
    return make_term(Flag(TERMINATED, wanted=False), weight, taken)


def draw_cost(rng: Random, space: Space, taken: set[str]) -> Term:
    """Return a small cost of the action."""
    shape = Effort() if space.has_actions and rng.random() < 0.7 else ActionChange()
    return make_term(shape, -rng.choice((0.003, 0.01, 0.03, 0.1)), taken)


def names(terms: list[Term]) -> set[str]:
    """Return the names in use."""
    return {term.name for term in terms}


def features(terms: Iterable[Term]) -> frozenset[str]:
    """Return the features in use."""
    found = (signal_of(f.shape) for term in terms for f in term.factors)
    return frozenset(signal.feature for signal in found if signal is not None)


def draw_factor(rng: Random, quantity: Quantity, want: Want) -> Factor:
    """Return a factor in [0, 1] with a floor."""
    shape, _ = draw_shape(rng, quantity, want, bounded=True)
    return Factor(shape, rng.choice((0.0, 0.5, 0.5)))


def multiplied(term: Term, factor: Factor) -> Term:
    """Return the term times a factor."""
    return Term(term.name, term.weight, (*term.factors, factor))
