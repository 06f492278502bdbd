"""Programs as vectors of traits, so that one can say how alike two programs are.

A trait is what a person would name: which quantity a program is about and what it wants of it,
by which kind of shape, with which goal, how much it counts among the terms, what the action
costs. Programs one variation apart differ in a trait or two. Two traits say what the sentence lets
one expect before anything is tried: how much of what it asks for a program pays for, and how much
else.
"""

from __future__ import annotations

import math
from collections import defaultdict

from rewardgen.design.evolve.describe import column_of
from rewardgen.design.evolve.grammar import (
    ActionChange,
    Capped,
    Effort,
    Exponential,
    Factor,
    Program,
    Progress,
    Quadratic,
    Saturating,
    Term,
    Tolerance,
    signal_of,
)
from rewardgen.design.evolve.lexicon import Want
from rewardgen.design.evolve.sample import TERMINATED, unit_weight, want_weight
from rewardgen.design.evolve.space import Space
from rewardgen.design.evolve.vary import wanted

# how much two quantities of one role have in common, how much shape and numbers matter, beside
# the quantity and its want (1)
ROLE, SHAPE, NUMBER = 0.5, 0.5, 0.3
CONDITION = 0.7
# a term's amount falls by this for every factor of ten in its weight
PER_DECADE = 1.0 / 3.0
LEAST_AMOUNT = 0.1
MEANT, ASIDE = "meant", "aside"


def traits(program: Program, space: Space) -> dict[str, float]:
    """Return the traits of a program, about 1 where they are present in full, without zeros."""
    found: defaultdict[str, float] = defaultdict(float)
    sizes = [abs(term.weight) / unit_weight(term.shape, space) for term in program.terms]
    whole = max(sizes)
    asked = _asked_most(space)
    for term, size in zip(program.terms, sizes, strict=True):
        amount = max(LEAST_AMOUNT, 1.0 + PER_DECADE * math.log10(size / whole))
        if isinstance(term.shape, Effort | ActionChange):
            found[type(term.shape).__name__] += amount
            continue
        if signal_of(term.shape) == TERMINATED:
            found["alive" if term.weight > 0.0 else "ended"] += amount
            continue
        for place, factor in enumerate(term.factors):
            share = amount if place == 0 else amount * CONDITION * (1.0 - factor.floor / 2.0)
            meant = _meant(term, place, space, asked)
            found[ASIDE] += share * (1.0 - meant)
            if place == 0:
                found[MEANT] = max(found[MEANT], amount * meant)
            for name, value in _of_factor(term, place, factor, space).items():
                found[name] += share * value
        if len(term.factors) > 1:
            found["product"] += NUMBER * (len(term.factors) - 1)
    return dict(found)


def _asked_most(space: Space) -> tuple[float, float]:
    """Return the largest weight of a want, and of a quantity that is to come later."""
    wants = [want_weight(q, want) for q in space.quantities for want in q.wants]
    return max(wants, default=0.0), max((q.follows for q in space.quantities), default=0.0)


def _meant(term: Term, place: int, space: Space, asked: tuple[float, float]) -> float:
    """Return how much the sentence asks for what a factor wants, against what it asks for most."""
    known = wanted(term, place, space)
    if known is None:
        return 0.0
    shares = ((want_weight(*known), asked[0]), (known[0].follows, asked[1]))
    return max(value / most if most > 0.0 else 0.0 for value, most in shares)


def _of_factor(term: Term, place: int, factor: Factor, space: Space) -> dict[str, float]:
    signal, known = signal_of(factor.shape), wanted(term, place, space)
    if signal is None:
        return {}
    if known is None:
        return {column_of(signal): 1.0}
    quantity, want = known
    about = f"{quantity.column} {want}"
    kind = type(factor.shape).__name__
    found = {
        about: 1.0,
        f"{quantity.role} {want}": ROLE,
        f"{about} {kind}": SHAPE,
        f"{kind} {place > 0}": SHAPE / 2.0,
    }
    shape = factor.shape.potential if isinstance(factor.shape, Progress) else factor.shape
    match shape:
        case Tolerance(_, low, high, margin):
            found[f"{about} width"] = NUMBER * _log(margin, quantity.scale)
            if want is not Want.NEAR:
                goal = low if math.isfinite(low) else high
                away = abs(goal - quantity.seen.median)
                found[f"{about} goal"] = NUMBER * _log(
                    max(away, 1e-3 * quantity.scale), quantity.scale
                )
        case Capped(_, limit, _, _):
            found[f"{about} capped"] = SHAPE
            found[f"{about} goal"] = NUMBER * _log(abs(limit), quantity.scale)
        case Exponential(_, _, scale) | Saturating(_, _, scale) | Quadratic(_, _, scale):
            found[f"{about} width"] = NUMBER * _log(scale, quantity.scale)
        case _:
            pass
    return found


def _log(value: float, scale: float) -> float:
    """Return the logarithm to base 2 of a size in units of a scale, kept within ±3."""
    return max(-3.0, min(3.0, math.log2(max(value, 1e-9) / max(scale, 1e-9))))
