"""Rewards in stages: first the way to a target, then what is to hold once it is reached.

Where a sentence says that one thing comes after another, a term pays for progress towards a target
that the description of its feature names (potential-based, so its sum is bounded: Ng, Harada and
Russell, "Policy invariance under reward transformations", 1999), and further terms pay for what
the later words of the sentence speak of, gated on most of the way being done.
"""

from __future__ import annotations

import math
from dataclasses import replace
from random import Random

from rewardgen.design.evolve.grammar import (
    MAX_FACTORS,
    Beyond,
    Capped,
    Factor,
    Form,
    Progress,
    Term,
    Tolerance,
    rounded,
)
from rewardgen.design.evolve.lexicon import Role, Want
from rewardgen.design.evolve.sample import (
    draw_factor,
    goal_weight,
    make_term,
    names,
    unit_weight,
)
from rewardgen.design.evolve.space import Quantity, Space

# what the whole way is worth against what its end pays in a step, as a share of a second's pay:
# little, or policies rush along it and are in no state to stop at its end
WAY_WEIGHTS = (0.03, 0.1, 0.3)
END_WEIGHTS = (0.3, 1.0, 3.0)
# how much of the way opens the gate
OPENINGS = (0.5, 0.7, 0.8, 0.9)
# what the sentence's later words speak of most is drawn more sharply than the rest
ENDING_SHARPNESS = 1.5
ENDINGS = frozenset({Role.EVENT, Role.PURE, Role.HEIGHT, Role.DISTANCE, Role.POSITION, Role.ANGLE})
JOURNEYS = frozenset({Role.ANGLE, Role.COUNT, Role.POSITION, Role.DISTANCE, Role.HEIGHT})


def is_journey(space: Space, quantity: Quantity, want: Want) -> bool:
    """Whether a want of a quantity can be the first stage: it has a target, something follows."""
    follows = any(q.follows > 0.0 for q in space.quantities if q.signal != quantity.signal)
    return follows and quantity.role in JOURNEYS and bool(targets_of(quantity, want))


def journeys(space: Space) -> list[tuple[Quantity, Want]]:
    """Return the wants that can be the first stage."""
    return [(q, want) for q in space.quantities for want in q.wants if is_journey(space, q, want)]


def first_way(space: Space) -> tuple[Quantity, Want, float] | None:
    """Return the way that is most likely meant and its target, None if there is none."""
    found = max(journeys(space), key=lambda way: goal_weight(*way), default=None)
    return None if found is None else (*found, targets_of(*found)[0])


def draw_stages(rng: Random, space: Space, quantity: Quantity, want: Want) -> list[Term]:
    """Return a term for the way and one or two for its end."""
    way = draw_way(rng, space, quantity, want)
    terms = [way]
    for _ in range(rng.choice((1, 1, 2))):
        ending = draw_ending(rng, space, terms)
        if ending is not None:
            terms.append(ending)
    return terms


def draw_way(rng: Random, space: Space, quantity: Quantity, want: Want) -> Term:
    """Return a term for progress of a journey up to one of its targets."""
    target = rng.choice(targets_of(quantity, want))
    above = want is Want.MORE
    shape = Progress(Capped(quantity.signal, target, abs(target), above))
    sign = 1.0 if above else -1.0
    return make_term(shape, sign * rng.choice(WAY_WEIGHTS) * unit_weight(shape, space), set())


def draw_ending(rng: Random, space: Space, terms: list[Term]) -> Term | None:
    """Return a term for what is to hold at the end of the way that the terms contain.

    None if they contain none, or nothing else is to hold.
    """
    way = way_of(terms)
    if way is None:
        return None
    held = {term.shape for term in terms}
    open_to = [q for q in space.quantities if q.follows > 0.0 and q.signal != way.signal]
    open_to = [q for q in open_to if q.role in ENDINGS]
    if not open_to:
        return None
    factors: list[Factor] = []
    for _ in range(rng.choice((1, 1, 2))):
        quantity = rng.choices(open_to, [q.follows**ENDING_SHARPNESS for q in open_to])[0]
        factor = _held(rng, quantity)
        if factor.shape not in held:
            held.add(factor.shape)
            factors.append(factor)
    if not factors:
        return None
    first = make_term(factors[0].shape, rng.choice(END_WEIGHTS), names(terms))
    gate = Factor(draw_gate(rng, way))
    return Term(first.name, first.weight, (Factor(first.shape), gate, *factors[1:])[:MAX_FACTORS])


def draw_gate(rng: Random, way: Capped) -> Beyond | Tolerance:
    """Return a gate that opens once most of the way is done, at once or by and by."""
    at = rounded(rng.choice(OPENINGS) * way.limit)
    if rng.random() < 0.7:
        return Beyond(way.signal, at, way.above)
    margin = rounded(0.3 * abs(way.limit))
    return Tolerance(way.signal, *((at, math.inf) if way.above else (-math.inf, at)), margin)


def way_of(terms: list[Term]) -> Capped | None:
    """Return the first way to a target among the terms."""
    for term in terms:
        if isinstance(term.shape, Progress) and isinstance(term.shape.potential, Capped):
            return term.shape.potential
    return None


def _held(rng: Random, quantity: Quantity) -> Factor:
    """Return what is to hold at the end, in [0, 1]."""
    plain = quantity.signal.form is Form.PLAIN
    if quantity.role is Role.ANGLE and plain and quantity.target == 0.0:
        # after a turn an angle may be a turn away from where it was: its cosine is not
        cosine = replace(quantity.signal, form=Form.COSINE)
        return Factor(Tolerance(cosine, rng.choice((0.9, 0.95, 0.98)), math.inf, 1.0))
    # what the sentence names as the end it wants; doubts belong to the way
    want = max(quantity.wants, key=lambda want: quantity.wants[want])
    targets = targets_of(quantity, Want.MORE)
    if quantity.role is Role.HEIGHT and want is Want.MORE and targets:
        return Factor(Tolerance(quantity.signal, targets[0], math.inf, abs(targets[0])))
    return draw_factor(rng, quantity, want)


def targets_of(quantity: Quantity, want: Want) -> list[float]:
    """Return the places on the way to more or to less of a quantity, the farthest first."""
    match want:
        case Want.MORE:
            return [m for m in quantity.milestones if m > 0.0]
        case Want.LESS:
            return [m for m in quantity.milestones if m < 0.0]
        case Want.NEAR:
            return []
