"""Which variation to try on which term, given what the feedback says."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from rewardgen.analysis.feedback import Feedback, TermStatus
from rewardgen.design.evolve import vary
from rewardgen.design.evolve.grammar import Program
from rewardgen.design.evolve.space import Space
from rewardgen.design.evolve.stages import journeys

OPERATORS: dict[str, vary.Operator] = {
    "rescale": vary.rescale,
    "weaken": vary.weaken,
    "strengthen": vary.strengthen,
    "reshape": vary.reshape,
    "retune": vary.retune,
    "widen": vary.widen,
    "raise_goal": vary.raise_goal,
    "swap_feature": vary.swap_feature,
    "add_term": vary.add_term,
    "stage": vary.stage,
    "add_cost": vary.add_cost,
    "add_survival": vary.add_survival,
    "drop_term": vary.drop_term,
    "add_factor": vary.add_factor,
    "drop_factor": vary.drop_factor,
    "sum_to_product": vary.sum_to_product,
    "product_to_sum": vary.product_to_sum,
    "reverse": vary.reverse,
}
# weights without a remark; per term, except for those that concern the program. Small changes come
# more often than large ones: most large ones spoil what made a parent good
PER_TERM = {
    "rescale": 1.5,
    "reshape": 0.5,
    "retune": 1.0,
    "raise_goal": 0.2,
    "swap_feature": 0.15,
    "drop_term": 0.5,
    "add_factor": 0.5,
    "drop_factor": 0.2,
    "sum_to_product": 0.4,
    "product_to_sum": 0.2,
    "reverse": 0.02,
}
PER_PROGRAM = {"add_cost": 0.4}
# shared between the terms, so that a program does not grow the faster the longer it is
ADD_TERM = 1.5
# where the sentence says that one thing follows another
STAGE = 4.0
REMEDIES: dict[TermStatus, dict[str, float]] = {
    TermStatus.DEAD: {"drop_term": 3.0, "swap_feature": 2.0, "reshape": 2.0, "strengthen": 1.5},
    TermStatus.SATURATED: {"widen": 2.0, "raise_goal": 3.0},
    TermStatus.DOMINANT: {"weaken": 2.0},
}
HACKED = {"drop_term": 4.0, "weaken": 3.0, "swap_feature": 2.0}
TERMINATING = 0.3  # share of episodes from which terminations are the thing to work on


ALL = frozenset(OPERATORS)


@dataclass(frozen=True)
class Move:
    """An operator on a term."""

    operator: str
    index: int
    weight: float

    def apply(self, rng: Random, program: Program, space: Space) -> Program | None:
        """Return the changed program, None where the operator does not apply."""
        return OPERATORS[self.operator](rng, program, self.index, space)


def moves(program: Program, feedback: Feedback | None, space: Space) -> list[Move]:
    """Return all moves with their weights."""
    found = [Move(name, 0, weight) for name, weight in PER_PROGRAM.items()]
    found.append(Move("add_survival", 0, _survival_weight(feedback, space)))
    statuses = {} if feedback is None else {t.name: t.status for t in feedback.terms}
    driver = feedback.hacking.driver if feedback is not None and feedback.hacking else None
    in_stages = bool(journeys(space))
    for index, term in enumerate(program.terms):
        found += [Move(name, index, weight) for name, weight in PER_TERM.items()]
        found.append(Move("add_term", index, ADD_TERM / len(program.terms)))
        if in_stages:
            found.append(Move("stage", index, STAGE / len(program.terms)))
        remedies = REMEDIES.get(statuses.get(term.name, TermStatus.OK), {})
        found += [Move(name, index, weight) for name, weight in remedies.items()]
        if term.name == driver:
            found += [Move(name, index, weight) for name, weight in HACKED.items()]
    return found


def _survival_weight(feedback: Feedback | None, space: Space) -> float:
    if feedback is not None and feedback.causes:
        ended = sum(series.values[-1] for series in feedback.causes.values())
        return 3.0 if ended > TERMINATING else 0.5
    return 0.02 if space.ends == 0.0 else 0.5


def mutate(
    rng: Random,
    program: Program,
    feedback: Feedback | None,
    space: Space,
    steps: int,
    only: frozenset[str] = ALL,
) -> tuple[Program, str] | None:
    """Return a program some moves away, and the names of the moves; None if none applied.

    Args:
        rng: chance.
        program: where to start.
        feedback: what is known about it, None if nothing.
        space: where new parts come from.
        steps: number of moves.
        only: operators to choose from.
    """
    applied: list[str] = []
    for _ in range(6 * steps):
        # only the first move has feedback to go by: after it the terms are others
        known = None if applied else feedback
        open_to = [move for move in moves(program, known, space) if move.operator in only]
        move = rng.choices(open_to, [m.weight for m in open_to])[0]
        changed = move.apply(rng, program, space)
        if changed is not None and changed != program:
            program = changed
            applied.append(move.operator)
            if len(applied) == steps:
                break
    return (program, "+".join(applied)) if applied else None
