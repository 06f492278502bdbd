"""Variation: small changes of a program, each of which gives a valid one or nothing.

An operator takes chance, a program, the term that it is about and the space. ``guide.py``
chooses operators and terms by what the feedback says.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import TypeAlias

from rewardgen.design.evolve.describe import term_name
from rewardgen.design.evolve.grammar import (
    BOUNDED,
    MAX_FACTORS,
    MAX_TERMS,
    ActionChange,
    Beyond,
    Capped,
    Effort,
    Exponential,
    Factor,
    Flag,
    Form,
    Linear,
    Program,
    ProgramError,
    Progress,
    Quadratic,
    Saturating,
    Shape,
    Term,
    Tolerance,
    check,
    rounded,
    signal_of,
)
from rewardgen.design.evolve.lexicon import Want
from rewardgen.design.evolve.sample import (
    TERMINATED,
    choose,
    choose_helper,
    choose_want,
    draw_cost,
    draw_factor,
    draw_shape,
    draw_term,
    features,
    multiplied,
    names,
    survival,
    unit_weight,
)
from rewardgen.design.evolve.space import Quantity, Space
from rewardgen.design.evolve.stages import draw_ending, draw_way, is_journey, way_of

Operator: TypeAlias = Callable[[Random, Program, int, Space], Program | None]


def rescale(rng: Random, program: Program, index: int, space: Space) -> Program | None:
    """Change the weight of a term."""
    del space
    if len(program.terms) == 1:
        return None  # a reward's overall scale changes nothing
    term = program.terms[index]
    return _with(program, index, _weighted(term, rng.choice((0.1, 0.3, 0.5, 2.0, 3.0))))


def weaken(rng: Random, program: Program, index: int, space: Space) -> Program | None:
    """Lower the weight of a term."""
    del space
    if len(program.terms) == 1:
        return None
    return _with(program, index, _weighted(program.terms[index], rng.choice((0.1, 0.3, 0.5))))


def strengthen(rng: Random, program: Program, index: int, space: Space) -> Program | None:
    """Raise the weight of a term."""
    del space
    if len(program.terms) == 1:
        return None
    return _with(program, index, _weighted(program.terms[index], rng.choice((2.0, 3.0, 10.0))))


def reshape(rng: Random, program: Program, index: int, space: Space) -> Program | None:
    """Want the same of the same quantity, by another shape or with freshly drawn numbers."""
    term = program.terms[index]
    place = rng.randrange(len(term.factors))
    found = wanted(term, place, space)
    if found is None:
        return None
    quantity, want = found
    if place:
        return _with(program, index, _factor_at(term, place, draw_factor(rng, quantity, want)))
    shape, sign = draw_shape(rng, quantity, want)
    return _with(program, index, _reformed(program, index, shape, sign, space))


def retune(rng: Random, program: Program, index: int, space: Space) -> Program | None:
    """Change one number of a shape by a factor, or move its target."""
    del space
    term = program.terms[index]
    place = rng.randrange(len(term.factors))
    return _tuned(program, index, place, rng.choice((0.5, 0.7, 1.5, 2.0)))


def widen(rng: Random, program: Program, index: int, space: Space) -> Program | None:
    """Make a shape softer: its margin or scale larger."""
    del space
    term = program.terms[index]
    return _tuned(program, index, rng.randrange(len(term.factors)), rng.choice((1.5, 2.0, 3.0)))


def raise_goal(rng: Random, program: Program, index: int, space: Space) -> Program | None:
    """Ask for more than the policies reached: redraw a one-sided goal from what was seen."""
    term = program.terms[index]
    found = wanted(term, 0, space)
    if found is None or found[1] is Want.NEAR:
        return None
    quantity, want = found
    shape, sign = draw_shape(rng, quantity, want)
    return _with(program, index, _reformed(program, index, shape, sign, space))


def swap_feature(rng: Random, program: Program, index: int, space: Space) -> Program | None:
    """Put another quantity in the place of a term's, wanted in its own way."""
    quantity = choose(rng, space, exclude=features(list(program.terms)), flat=0.7)
    if quantity is None:
        return None
    shape, sign = draw_shape(rng, quantity, choose_want(rng, quantity))
    return _with(program, index, _reformed(program, index, shape, sign, space))


def add_term(rng: Random, program: Program, index: int, space: Space) -> Program | None:
    """Add a term that may help this one."""
    terms = list(program.terms)
    found = _helper(rng, terms[index], space, features(terms))
    if found is None:
        return None
    weight = rng.choice((0.1, 0.3, 1.0)) * _typical(program, space)
    return _valid(Program((*terms, draw_term(rng, space, *found, weight, names(terms)))))


def stage(rng: Random, program: Program, index: int, space: Space) -> Program | None:
    """Add what is to hold at the end of a way, after giving the term's quantity a way if none."""
    terms = list(program.terms)
    if way_of(terms) is None:
        found = wanted(terms[index], 0, space)
        if found is None or not is_journey(space, *found):
            return None
        way = draw_way(rng, space, *found)
        rest = [term for i, term in enumerate(terms) if i != index]
        terms = [replace(way, name=term_name(way.shape, names(rest))), *rest]
    ending = draw_ending(rng, space, terms)
    return None if ending is None else _valid(Program((*terms, ending)))


def add_cost(rng: Random, program: Program, index: int, space: Space) -> Program | None:
    """Add a small cost of the action, or redraw the one there is."""
    del index
    rest = [t for t in program.terms if not isinstance(t.shape, Effort | ActionChange)]
    return _valid(Program((*rest, draw_cost(rng, space, names(rest)))))


def add_survival(rng: Random, program: Program, index: int, space: Space) -> Program | None:
    """Add a bonus for not being terminated, or change the one there is."""
    del index
    rest = [t for t in program.terms if signal_of(t.shape) != TERMINATED]
    weight = rng.choice((0.1, 0.3, 1.0, 3.0)) * _typical(program, space)
    return _valid(Program((*rest, survival(weight, names(rest)))))


def drop_term(rng: Random, program: Program, index: int, space: Space) -> Program | None:
    """Leave a term out, unless only costs would be left: to rest would be best then."""
    del rng, space
    rest = program.terms[:index] + program.terms[index + 1 :]
    aims = [t for t in rest if not isinstance(t.shape, Effort | ActionChange | Quadratic)]
    return _valid(Program(rest)) if aims else None


def add_factor(rng: Random, program: Program, index: int, space: Space) -> Program | None:
    """Multiply a term by something else that is wanted, or by a gate."""
    term = program.terms[index]
    found = _helper(rng, term, space, features([term]))
    if found is None:
        return None
    quantity, want = found
    factor = draw_factor(rng, quantity, want)
    if not isinstance(factor.shape, Flag) and want is not Want.NEAR and rng.random() < 0.3:
        factor = Factor(Beyond(quantity.signal, rounded(quantity.seen.median), want is Want.MORE))
    return _with(program, index, multiplied(term, factor))


def drop_factor(rng: Random, program: Program, index: int, space: Space) -> Program | None:
    """Leave one of a term's factors out."""
    del space
    term = program.terms[index]
    if len(term.factors) == 1:
        return None
    place = rng.randrange(1, len(term.factors))
    return _with(program, index, _without(term, place))


def sum_to_product(rng: Random, program: Program, index: int, space: Space) -> Program | None:
    """Turn another term into a factor of this one."""
    del space
    others = [
        i
        for i, t in enumerate(program.terms)
        if i != index and t.weight > 0 and all(isinstance(f.shape, BOUNDED) for f in t.factors)
    ]
    if not others:
        return None
    place = rng.choice(others)
    other, term = program.terms[place], program.terms[index]
    merged = replace(term, factors=(*term.factors, Factor(other.shape, rng.choice((0.0, 0.5)))))
    terms = [merged if i == index else t for i, t in enumerate(program.terms) if i != place]
    return _valid(Program(tuple(terms)))


def product_to_sum(rng: Random, program: Program, index: int, space: Space) -> Program | None:
    """Turn a factor of this term into a term."""
    del space
    term = program.terms[index]
    if len(term.factors) == 1:
        return None
    place = rng.randrange(1, len(term.factors))
    freed = term.factors[place].shape
    rest = _without(term, place)
    weight = rounded(abs(term.weight) * rng.choice((0.2, 0.5, 1.0)))
    added = Term(term_name(freed, names(list(program.terms))), weight, (Factor(freed),))
    return _valid(Program((*_with_terms(program, index, rest), added)))


def reverse(rng: Random, program: Program, index: int, space: Space) -> Program | None:
    """Want the opposite: less of what was to be more."""
    del rng, space
    term = program.terms[index]
    if not isinstance(term.shape, Linear | Saturating | Progress | Flag):
        return None
    if isinstance(term.shape, Flag) and term.shape.signal == TERMINATED:
        return None  # to pay for a termination is never what is wanted
    return _with(program, index, replace(term, weight=-term.weight))


def crossover(rng: Random, one: Program, other: Program) -> Program | None:
    """Return a program with some terms of each parent, each parent giving at least one.

    The first term, which is mostly what a program is about, is kept of the first parent.
    """
    left = (one.terms[0], *(term for term in one.terms[1:] if rng.random() < 0.6))
    right = _some(rng, other.terms)
    if rng.random() < 0.4 and isinstance(right[0].shape, BOUNDED) and right[0].weight > 0:
        # multiplicative: what the other wants becomes a condition on the first one's goal
        factor = Factor(right[0].shape, rng.choice((0.0, 0.5)))
        return _valid(Program((multiplied(left[0], factor), *left[1:])))
    taken = {replace(term, name="", weight=1.0) for term in left}
    terms = list(left)
    for term in right:
        if replace(term, name="", weight=1.0) not in taken:
            terms.append(replace(term, name=term_name(term.shape, names(terms))))
    return _valid(Program(tuple(terms)))


# ---- what operators share


def wanted(term: Term, place: int, space: Space) -> tuple[Quantity, Want] | None:
    """Return the quantity that a factor is about and what it wants of it, if the space knows."""
    shape = term.factors[place].shape
    signal = signal_of(shape)
    quantity = None if signal is None else space.find(signal)
    if signal is None or quantity is None:
        return None
    if signal.form is Form.COSINE:
        return quantity, Want.NEAR
    up = term.weight > 0 or place > 0
    match shape.potential if isinstance(shape, Progress) else shape:
        case Tolerance(_, low, high, _):
            if math.isfinite(low) and math.isfinite(high):
                return replace(quantity, target=rounded((low + high) / 2)), Want.NEAR
            return quantity, Want.MORE if math.isinf(high) == up else Want.LESS
        case Exponential(_, target, _) | Quadratic(_, target, _):
            return replace(quantity, target=target), Want.NEAR
        case Flag(_, positive):
            return quantity, Want.MORE if positive == up else Want.LESS
        case Beyond(_, _, above):
            return quantity, Want.MORE if above == up else Want.LESS
        case _:
            return quantity, Want.MORE if up else Want.LESS


def _helper(
    rng: Random, term: Term, space: Space, exclude: frozenset[str]
) -> tuple[Quantity, Want] | None:
    """Return a quantity that may help a term, and what to want of it."""
    goal = wanted(term, 0, space)
    if goal is not None:
        return choose_helper(rng, space, *goal, exclude)
    quantity = choose(rng, space, exclude=exclude, flat=0.7)
    return None if quantity is None else (quantity, choose_want(rng, quantity))


def _tuned(program: Program, index: int, place: int, factor: float) -> Program | None:
    term = program.terms[index]
    shape = _tuned_shape(term.factors[place].shape, factor)
    if shape is None:
        return None
    return _with(program, index, _factor_at(term, place, replace(term.factors[place], shape=shape)))


def _tuned_shape(shape: Shape, factor: float) -> Shape | None:
    match shape:
        case Tolerance():
            return replace(shape, margin=rounded(shape.margin * factor))
        case Progress(Capped() as way):
            limit, scale = rounded(way.limit * factor), rounded(way.scale * factor)
            return Progress(replace(way, limit=limit, scale=scale))
        case Exponential() | Saturating() | Quadratic():
            return replace(shape, scale=rounded(shape.scale * factor))
        case _:
            return None


def _weighted(term: Term, factor: float) -> Term:
    return replace(term, weight=rounded(term.weight * factor))


def _typical(program: Program, space: Space) -> float:
    """Return the largest weight of the program, per second for progress: new terms follow it."""
    return max(abs(t.weight) / unit_weight(t.shape, space) for t in program.terms)


def _factor_at(term: Term, place: int, factor: Factor) -> Term:
    return replace(term, factors=(*term.factors[:place], factor, *term.factors[place + 1 :]))


def _without(term: Term, place: int) -> Term:
    return replace(term, factors=term.factors[:place] + term.factors[place + 1 :])


def _reformed(program: Program, index: int, shape: Shape, sign: float, space: Space) -> Term:
    """Return a term with another first shape, of the same weight per step, and its new name."""
    term = program.terms[index]
    size = abs(term.weight) / unit_weight(term.shape, space)
    taken = {t.name for i, t in enumerate(program.terms) if i != index}
    return Term(
        name=term_name(shape, taken),
        weight=rounded(sign * size * unit_weight(shape, space)),
        factors=(Factor(shape), *term.factors[1:]),
    )


def _with_terms(program: Program, index: int, term: Term) -> tuple[Term, ...]:
    return (*program.terms[:index], term, *program.terms[index + 1 :])


def _with(program: Program, index: int, term: Term) -> Program | None:
    return _valid(Program(_with_terms(program, index, term)))


def _some(rng: Random, terms: tuple[Term, ...]) -> tuple[Term, ...]:
    """Return a part of the terms, in order, not empty."""
    kept = tuple(term for term in terms if rng.random() < 0.6)
    return kept or (rng.choice(terms),)


def _valid(program: Program) -> Program | None:
    """Return the program, None if it breaks a rule of the grammar."""
    if len(program.terms) > MAX_TERMS or any(len(t.factors) > MAX_FACTORS for t in program.terms):
        return None
    try:
        check(program)
    except ProgramError:
        return None
    return program
