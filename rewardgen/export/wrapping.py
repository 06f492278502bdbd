"""A wrapper in an exported file: its formula beside the reward's code, and what checks it.

Only what one transition says can be in a function of one transition.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import dataclass

from rewardgen.export.inlining import inlined
from rewardgen.rewards.code import Output
from rewardgen.rewards.transitions import Transitions
from rewardgen.rewards.wrappers import formulas
from rewardgen.rewards.wrappers.catalogue import Pbrs, Wrapper
from rewardgen.rewards.wrappers.rowwise import formula
from rewardgen_envs.features import FeatureTable

TERMINATED = "terminated"


@dataclass(frozen=True)
class Wrapping:
    """What is around a reward that is exported.

    Attributes:
        wrapper: it; without memory.
        gamma: the discount factor of the training that it was part of.
    """

    wrapper: Wrapper
    gamma: float

    @property
    def looks_back(self) -> bool:
        """Whether the reward is asked of the state before, too."""
        return isinstance(self.wrapper, Pbrs)


def too_much(wrapper: Wrapper) -> str:
    """Return why a wrapper cannot be part of a file; empty if it can."""
    if not wrapper.memory:
        return ""
    return (
        f"no reward file was written: wrapper {wrapper.name} remembers {wrapper.memory}, which a "
        "function of one transition does not know"
    )


def composed(
    evaluate: Callable[[Transitions], Output],
    rows: Transitions,
    table: FeatureTable,
    wrapping: Wrapping | None,
) -> Output:
    """Return what a wrapped reward pays for transitions.

    Args:
        evaluate: the reward inside.
        rows: of exactly the public columns.
        table: the public features.
        wrapping: what is around it, or None.
    """
    inside = evaluate(rows)
    if wrapping is None:
        return inside
    if isinstance(wrapping.wrapper, Pbrs):
        potential = wrapping.wrapper.potential
        before = evaluate(Transitions(rows.state, rows.action, rows.state)).terms[potential]
        terminated = table.select(rows.next_state, TERMINATED) > 0.5
        paid = formulas.pbrs(
            inside.reward, inside.terms, potential, before, terminated, wrapping.gamma
        )
    else:
        function, parameters = formula(wrapping.wrapper)
        paid = function(inside.reward, inside.terms, *parameters)
    return Output(*paid)


def definition(wrapping: Wrapping, name: str) -> str:
    """Return the formula as text, in a scope of its own: the code may use any name."""
    function = formulas.pbrs if wrapping.looks_back else formula(wrapping.wrapper)[0]
    return (
        f"# ---- what is around it: {wrapping.wrapper.name}, {wrapping.wrapper.origin}\n\n\n"
        f"def {name}():\n"
        f"{textwrap.indent(inlined([function.__name__], formulas), '    ')}\n\n"
        f"    return {function.__name__}\n\n\n"
        f"{name} = {name}()\n"
    )


def body(wrapping: Wrapping | None, entry: str, features: str, name: str) -> list[str]:
    """Return the last lines of the function by names: the reward as it was trained on.

    Args:
        wrapping: what is around it, or None.
        entry: the reward's own function.
        features: the class of features by name.
        name: the formula's.
    """
    call = f"{entry}({features}(state), applied, {features}(next_state))"
    if wrapping is None:
        return [f"return {call}"]
    lines = [f"own, terms = {call.replace('applied', 'applied.clone()')}"]
    if isinstance(wrapping.wrapper, Pbrs):
        potential = repr(wrapping.wrapper.potential)
        return [
            *lines,
            "# the potential of the state before: the reward is asked of it as a next state",
            f"before = {entry}({features}(state), applied, {features}(state))[1][{potential}]",
            f"terminated = {features}(next_state).{TERMINATED} > 0.5",
            f"gamma = {wrapping.gamma!r}  # the discount factor of the training",
            f"return {name}(own, terms, {potential}, before, terminated, gamma)",
        ]
    parameters = ", ".join(map(repr, formula(wrapping.wrapper)[1]))
    return [*lines, f"return {name}(own, terms, {parameters})"]
