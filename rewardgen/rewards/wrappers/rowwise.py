"""Wrappers for which a transition's own reward and terms suffice: as a function, or as its text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torch import Tensor

from rewardgen.rewards.wrappers import formulas
from rewardgen.rewards.wrappers.catalogue import Gate, Krc, Par, Uwo, Wco, WeightedSum, Wrapper
from rewardgen_envs.names import nearest

Compose = Callable[[Tensor, Mapping[str, Tensor]], formulas.Composed]


def formula(wrapper: Wrapper) -> tuple[Callable[..., formulas.Composed], tuple[Any, ...]]:
    """Return the formula of a wrapper, and what it takes after the reward and its terms.

    These are plain values whose ``repr`` is Python.

    Raises:
        TypeError: a transition alone does not say what the wrapper pays.
    """
    match wrapper:
        case WeightedSum():
            return formulas.weighted_sum, (dict(wrapper.weights),)
        case Krc():
            return formulas.krc, (wrapper.terms,)
        case Gate(per="step"):
            return formulas.gate, (wrapper.reads, wrapper.least)
        case Par():
            return formulas.par, (wrapper.references, wrapper.slope)
        case Wco():
            return formulas.wco, (wrapper.terms,)
        case Uwo():
            return formulas.uwo, (wrapper.terms, wrapper.weight)
        case _:
            raise TypeError(f"wrapper {wrapper.name} takes more than a transition")


def composition(wrapper: Wrapper) -> Compose:
    """Return what makes the composed reward of a reward and its terms.

    Raises:
        TypeError: a transition alone does not say what the wrapper pays.
    """
    function, parameters = formula(wrapper)

    def compose(reward: Tensor, terms: Mapping[str, Tensor]) -> formulas.Composed:
        return function(reward, terms, *parameters)

    return compose


def missing(wrapper: Wrapper, terms: Iterable[str]) -> str:
    """Return what a wrapper lacks in the terms of a reward; empty if nothing."""
    names = tuple(terms)
    for name in wrapper.reads:
        if name not in names:
            choices = nearest(name, names) if names else "; it returns no terms"
            return f"wrapper {wrapper.name} reads the term '{name}', which is not returned{choices}"
    if len(names) < wrapper.least_terms:
        return (
            f"wrapper {wrapper.name} takes {wrapper.least_terms} terms or more; returned are "
            f"{', '.join(names) or 'none'}"
        )
    taken = [name for name in wrapper.adds if name in names]
    if taken:
        return f"wrapper {wrapper.name} reports a term '{taken[0]}' itself: give yours another name"
    return ""
