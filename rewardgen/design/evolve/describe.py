"""Words for terms: names as identifiers and one sentence as a comment."""

from __future__ import annotations

import math
import re

from rewardgen.analysis.columns import column_name, norm_name
from rewardgen.design.evolve.grammar import (
    ActionChange,
    Beyond,
    Capped,
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
    signal_of,
)
from rewardgen_envs.features import FeatureTable

RESERVED = frozenset({"reward", "state", "action", "next_state", "torch", "math", "tolerance"})


def term_name(shape: Shape, taken: set[str]) -> str:
    """Return an identifier for a term that starts with this shape, not among those taken."""
    match shape:
        case Effort():
            base = "effort"
        case ActionChange():
            base = "action_change"
        case Progress(potential):
            base = _short(potential.signal) + "_progress"
        case Flag(Signal("terminated"), False):
            base = "alive"
        case Flag(signal, wanted):
            base = _short(signal) if wanted else "no_" + _short(signal)
        case Tolerance(signal, _, _, _) | Exponential(signal, _, _) | Beyond(signal, _, _):
            base = _short(signal) + "_goal"
        case Quadratic(signal, _, _):
            base = _short(signal) + "_cost"
        case Linear(signal, _, _) | Capped(signal, _, _, _) | Saturating(signal, _, _):
            base = _short(signal) + "_gain"
    name, number = base, 2
    while name in taken or name in RESERVED:
        name, number = f"{base}_{number}", number + 1
    return name


def _short(signal: Signal) -> str:
    return "_".join([signal.feature, *map(str, signal.index)])


def column_of(signal: Signal) -> str:
    """Return the column whose statistics belong to a signal."""
    if signal.form is Form.NORM:
        return norm_name(signal.feature)
    return column_name(signal.feature, signal.index)


def describe(term: Term, table: FeatureTable) -> str:
    """Return one sentence, in plain words, without a line break."""
    verb = "pays for" if term.weight > 0 else "costs"
    parts = [_factor(factor, table) for factor in term.factors]
    text = f"{verb} {', times '.join(parts)}"
    signal = signal_of(term.shape)
    if signal is not None:
        text += f" ({table[signal.feature].description.rstrip('.')})"
    return re.sub(r"\s+", " ", text)


def _factor(factor: Factor, table: FeatureTable) -> str:
    return _shape(factor.shape, table) + (f" (at least {factor.floor:g})" if factor.floor else "")


def _shape(shape: Shape, table: FeatureTable) -> str:
    match shape:
        case Effort():
            return "large actions"
        case ActionChange():
            return "changes of the action"
        case Progress(potential):
            return f"a rise in this step of {_shape(potential, table)}"
        case Flag(Signal("terminated"), False):
            return "every step without a termination"
        case Flag(signal, wanted):
            return _named(signal) if wanted else f"not {_named(signal)}"
        case Linear(signal, _, _):
            return f"every unit of {_named(signal)}"
        case Capped(signal, limit, _, above):
            way = "up" if above else "down"
            return f"{_named(signal)}, {way} to {_with_unit(limit, signal, table)} at most"
        case Saturating(signal, center, scale):
            return f"{_named(signal)} up to about {_with_unit(center + 2 * scale, signal, table)}"
        case Exponential(signal, target, _):
            return f"{_named(signal)} close to {_with_unit(target, signal, table)}"
        case Quadratic(signal, target, _):
            return f"{_named(signal)} away from {_with_unit(target, signal, table)}"
        case Beyond(signal, threshold, above):
            side = "above" if above else "below"
            return f"{_named(signal)} {side} {_with_unit(threshold, signal, table)}"
        case Tolerance(signal, low, high, _):
            return f"{_named(signal)} {_range(low, high, signal, table)}"


def _range(low: float, high: float, signal: Signal, table: FeatureTable) -> str:
    if math.isinf(high):
        return f"at or above {_with_unit(low, signal, table)}"
    if math.isinf(low):
        return f"at or below {_with_unit(high, signal, table)}"
    return f"from {low:g} to {_with_unit(high, signal, table)}"


def _named(signal: Signal) -> str:
    column = column_of(signal)
    form = {Form.ABSOLUTE: f"|{column}|", Form.COSINE: f"cos({column})"}
    return form.get(signal.form, column)


def _with_unit(value: float, signal: Signal, table: FeatureTable) -> str:
    unit = table[signal.feature].unit
    hidden = unit in ("1", "bool") or signal.form is Form.COSINE
    return f"{value:.3g}" if hidden else f"{value:.3g} {unit}"
