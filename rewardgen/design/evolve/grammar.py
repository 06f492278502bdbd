"""Typed reward programs: a sum of weighted terms, each a product of shaped signals.

A *signal* is one number per transition taken from a public feature. A *shape* turns it into a
reward of known range. A *factor* is a shape with a floor, so that a product does not vanish. A
*term* is a weighted product of factors; a *program* is the sum of its terms. ``syntax.py`` writes
and reads them as Python; the same forms hold for every task.

Numbers are kept to three significant digits, so that text and program are the same thing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

MAX_TERMS = 6
MAX_FACTORS = 3


class Form(StrEnum):
    """How a signal is taken from its feature."""

    PLAIN = "plain"  # the scalar, or the component at ``index``
    ABSOLUTE = "absolute"  # its magnitude
    COSINE = "cosine"  # its cosine; for angles
    NORM = "norm"  # the Euclidean norm of the vector


@dataclass(frozen=True, order=True)
class Signal:
    """One number per transition.

    Attributes:
        feature: name of the public feature.
        index: component, empty for a scalar feature or a norm.
        form: how the number is taken.
    """

    feature: str
    index: tuple[int, ...] = ()
    form: Form = Form.PLAIN


@dataclass(frozen=True)
class Linear:
    """``(x - center) / scale``; unbounded."""

    signal: Signal
    center: float = 0.0
    scale: float = 1.0


@dataclass(frozen=True)
class Capped:
    """``min(x, limit) / scale`` (or, for ``above=False``, the maximum): the way to a target."""

    signal: Signal
    limit: float
    scale: float = 1.0
    above: bool = True


@dataclass(frozen=True)
class Tolerance:
    """1 inside [low, high], falling to 0.1 at ``margin`` beyond it."""

    signal: Signal
    low: float
    high: float
    margin: float


@dataclass(frozen=True)
class Exponential:
    """``exp(-|x - target| / scale)``; in (0, 1], with a slope everywhere."""

    signal: Signal
    target: float = 0.0
    scale: float = 1.0


@dataclass(frozen=True)
class Saturating:
    """``tanh((x - center) / scale)``; in (-1, 1)."""

    signal: Signal
    center: float = 0.0
    scale: float = 1.0


@dataclass(frozen=True)
class Quadratic:
    """``((x - target) / scale)²``; a cost, its weight is negative."""

    signal: Signal
    target: float = 0.0
    scale: float = 1.0


@dataclass(frozen=True)
class Flag:
    """A 0/1 feature as it is, or the opposite of it."""

    signal: Signal
    wanted: bool = True


@dataclass(frozen=True)
class Beyond:
    """1 where the signal is above (or, for ``above=False``, below) a threshold; a gate."""

    signal: Signal
    threshold: float
    above: bool = True


Potential: TypeAlias = Linear | Capped | Tolerance | Exponential | Saturating | Quadratic


@dataclass(frozen=True)
class Progress:
    """``potential(next_state) - potential(state)``: pays for change, telescopes to a difference."""

    potential: Potential


@dataclass(frozen=True)
class Effort:
    """Mean squared action; a cost."""


@dataclass(frozen=True)
class ActionChange:
    """Mean squared change of the action (discrete: whether it changed); a cost."""


Shape: TypeAlias = Potential | Progress | Flag | Beyond | Effort | ActionChange

BOUNDED = (Tolerance, Exponential, Flag, Beyond)  # values in [0, 1]


@dataclass(frozen=True)
class Factor:
    """``floor + (1 - floor) * shape``; a floor needs a shape in [0, 1]."""

    shape: Shape
    floor: float = 0.0


@dataclass(frozen=True)
class Term:
    """``weight`` times the product of the factors."""

    name: str
    weight: float
    factors: tuple[Factor, ...]

    @property
    def shape(self) -> Shape:
        """The first factor's shape, which gives the term its meaning."""
        return self.factors[0].shape


@dataclass(frozen=True)
class Program:
    """A reward: the sum of its terms."""

    terms: tuple[Term, ...]


class ProgramError(ValueError):
    """A program breaks a rule of the grammar; says which."""


def rounded(value: float) -> float:
    """Return the value to three significant digits; infinities and zero stay."""
    return float(f"{value:.3g}") + 0.0 if math.isfinite(value) else value


def signal_of(shape: Shape) -> Signal | None:
    """Return the signal that a shape reads, None for costs of the action."""
    if isinstance(shape, Progress):
        return shape.potential.signal
    return None if isinstance(shape, Effort | ActionChange) else shape.signal


def check(program: Program) -> None:
    """Check what a program's types do not say.

    Raises:
        ProgramError: too many terms or factors, a name twice, a number that is not finite where it
            must be or not positive, a floor on an unbounded shape.
    """
    names = [term.name for term in program.terms]
    if not 1 <= len(names) <= MAX_TERMS:
        raise ProgramError(f"{len(names)} terms; a program has 1 to {MAX_TERMS}")
    if len(set(names)) < len(names):
        raise ProgramError(f"term names occur twice in {names}")
    for term in program.terms:
        if not 1 <= len(term.factors) <= MAX_FACTORS:
            raise ProgramError(f"term '{term.name}' has {len(term.factors)} factors")
        if not math.isfinite(term.weight) or term.weight == 0.0:
            raise ProgramError(f"term '{term.name}' has weight {term.weight}")
        for factor in term.factors:
            _check_factor(term.name, factor)


def _check_factor(name: str, factor: Factor) -> None:
    if factor.floor and not isinstance(factor.shape, BOUNDED):
        raise ProgramError(f"term '{name}': a floor needs a shape in [0, 1]")
    if not 0.0 <= factor.floor < 1.0:
        raise ProgramError(f"term '{name}': floor {factor.floor} is outside [0, 1)")
    shape = factor.shape.potential if isinstance(factor.shape, Progress) else factor.shape
    match shape:
        case Tolerance(_, low, high, margin):
            sound = low <= high and margin > 0.0 and (math.isfinite(low) or math.isfinite(high))
            sound = sound and math.isfinite(margin)
        case Capped(_, center, scale, _) | Linear(_, center, scale) | Saturating(_, center, scale):
            sound = math.isfinite(center) and 0.0 < scale < math.inf
        case Exponential(_, center, scale) | Quadratic(_, center, scale):
            sound = math.isfinite(center) and 0.0 < scale < math.inf
        case Beyond(_, threshold, _):
            sound = math.isfinite(threshold)
        case _:
            sound = True
    if not sound:
        raise ProgramError(f"term '{name}': the numbers of {shape} make no sense")
