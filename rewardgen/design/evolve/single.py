"""The baseline *single*: the one public feature that went best along with fitness, as a reward."""

from __future__ import annotations

from rewardgen.design.designer import DesignContext, Proposal
from rewardgen.design.evolve.emit import emit
from rewardgen.design.evolve.grammar import Flag, Form, Linear, Program
from rewardgen.design.evolve.learn import associations
from rewardgen.design.evolve.lexicon import Role
from rewardgen.design.evolve.sample import make_term
from rewardgen.design.evolve.space import build_space


def single_feature(context: DesignContext) -> Proposal:
    """Return the feature, or its negative, whose mean correlates best with fitness so far.

    Raises:
        ValueError: fewer than three candidates of the history were evaluated, or no feature varied.
    """
    found = associations(context.history)
    known = [
        (found[q.column].level, q)
        for q in build_space(context).quantities
        if q.column in found and q.signal.form is not Form.NORM
    ]
    level, best = max(known, key=lambda pair: abs(pair[0]), default=(0.0, None))
    if best is None or level == 0.0:
        raise ValueError("no feature correlates with fitness in the candidates so far")
    shape = Flag(best.signal) if best.role is Role.EVENT else Linear(best.signal)
    program = Program((make_term(shape, 1.0 if level > 0 else -1.0, set()),))
    return Proposal(
        source=emit(program, context.table, context.action),
        origin="single",
        note=f"rank correlation with fitness {level:.2f}",
    )
