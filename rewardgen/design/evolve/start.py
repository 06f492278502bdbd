"""The first programs, drawn from a space.

A program is written as a person would start: one term for the goal, perhaps one or two that
help, a small cost of the action, a bonus for not being terminated where that is at stake; added
up or multiplied; or in stages (``stages.py``), where the sentence says that one thing comes after
another.
"""

from __future__ import annotations

from random import Random

from rewardgen.design.evolve.grammar import (
    MAX_FACTORS,
    MAX_TERMS,
    Program,
    Progress,
    Signal,
    Term,
)
from rewardgen.design.evolve.lexicon import Want
from rewardgen.design.evolve.sample import (
    choose_helper,
    draw_cost,
    draw_factor,
    draw_shape,
    draw_term,
    features,
    goal_weight,
    kinds,
    make_term,
    multiplied,
    names,
    pick,
    survival,
    unit_weight,
)
from rewardgen.design.evolve.space import Quantity, Space
from rewardgen.design.evolve.stages import draw_stages, is_journey, journeys

# what a rise is worth against what is paid in every step
RISE_WEIGHTS = (0.1, 0.3, 1.0)
# share of the programs about a journey that are written in stages
STAGED = 0.75
# and of those about something that is to come after one
BEHIND = 0.5


def initial_programs(rng: Random, space: Space, count: int) -> list[Program]:
    """Return programs that start from different goals and shapes.

    Goals are drawn systematically (one random offset, equal steps through the cumulated
    relevance), so that each has about its share; among programs of one goal the ways to shape it
    take turns.
    """
    goals = [
        (quantity, want, goal_weight(quantity, want))
        for quantity in space.quantities
        for want in quantity.wants
    ]
    total = sum(p for _, _, p in goals)
    if not goals or total <= 0.0:
        return [Program((draw_cost(rng, space, set()),)) for _ in range(count)]
    offset, step = rng.random(), total / count
    drawn: list[tuple[Quantity, Want]] = []
    passed = 0.0
    for quantity, want, weight in goals:
        passed += weight
        while len(drawn) < count and (len(drawn) + offset) * step < passed + 1e-12:
            drawn.append((quantity, want))
    staged = bool(journeys(space))
    used: dict[tuple[Signal, Want], list[str]] = {}
    programs: list[Program] = []
    for quantity, want in drawn:
        before = used.setdefault((quantity.signal, want), [])
        weights = {
            k: v * 0.2 ** before.count(k) for k, v in kinds(quantity, want, bounded=False).items()
        }
        kind = pick(rng, weights)
        before.append(kind)
        way = _way_for(rng, space, quantity, want) if staged else None
        if way is not None:
            terms = draw_stages(rng, space, *way)
            programs.append(Program(tuple(_secured(rng, space, terms))))
        else:
            programs.append(_program(rng, space, quantity, want, kind))
    rng.shuffle(programs)
    return programs


def _way_for(
    rng: Random, space: Space, quantity: Quantity, want: Want
) -> tuple[Quantity, Want] | None:
    """Return the way that a goal is, or lies at the end of; None to write it without stages."""
    if is_journey(space, quantity, want):
        return (quantity, want) if rng.random() < STAGED else None
    if quantity.follows == 0.0 or rng.random() >= BEHIND:
        return None
    ways = journeys(space)
    return rng.choices(ways, [goal_weight(*way) for way in ways])[0]


def draw_program(rng: Random, space: Space) -> Program:
    """Return one program, as an immigrant."""
    return initial_programs(rng, space, 1)[0]


def _program(rng: Random, space: Space, quantity: Quantity, want: Want, kind: str) -> Program:
    shape, sign = draw_shape(rng, quantity, want, kind=kind)
    size = rng.choice(RISE_WEIGHTS) if isinstance(shape, Progress) else 1.0
    goal = make_term(shape, sign * size * unit_weight(shape, space), set())
    helpers = rng.choice((0, 1, 1, 2))
    multiply = rng.random() < 0.4 and not isinstance(shape, Progress)
    terms = [goal]
    for _ in range(helpers):
        found = choose_helper(rng, space, quantity, want, features(terms))
        if found is None:
            break
        helper, wanted = found
        if multiply and len(terms[0].factors) < MAX_FACTORS:
            terms[0] = multiplied(terms[0], draw_factor(rng, helper, wanted))
        else:
            weight = rng.choice((0.1, 0.3, 1.0))
            terms.append(draw_term(rng, space, helper, wanted, weight, names(terms)))
    return Program(tuple(_secured(rng, space, terms)))


def _secured(rng: Random, space: Space, terms: list[Term]) -> list[Term]:
    """Return the terms, perhaps with a bonus for not being terminated and a cost of the action."""
    at_stake = 0.5 if space.ends is None or space.ends > 0.0 else 0.05
    if rng.random() < at_stake:
        terms.append(survival(rng.choice((0.1, 0.3, 1.0)), names(terms)))
    if rng.random() < 0.4:
        terms.append(draw_cost(rng, space, names(terms)))
    return terms[:MAX_TERMS]
