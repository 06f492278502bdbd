"""The designer ``evolve``: no language model, a search over typed programs.

The first iteration starts from different goals that the sentence and the features suggest. Later
ones draw many variations of the candidates that are expected to stand best, crossovers and
newcomers, and keep those of which a model of all candidates so far (``model.py``) expects most:
each place of an iteration goes to the best of one plausible reading of what has been seen
(Thompson sampling), so that what is uncertain gets its turn. Some places are kept for newcomers as
they come, and later some for the best so far, on other seeds: of a program that did well once
nobody knows whether that was luck. Everything follows from the context; the designer keeps no
memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random
from statistics import fmean

import numpy as np

from rewardgen.design.designer import DesignContext, Proposal, Tried
from rewardgen.design.evolve.describe import describe
from rewardgen.design.evolve.emit import emit, parse
from rewardgen.design.evolve.grammar import Program, rounded
from rewardgen.design.evolve.guide import ALL, mutate
from rewardgen.design.evolve.learn import learned, seen_by
from rewardgen.design.evolve.merit import Merit, inherited, merit, own_share
from rewardgen.design.evolve.model import Floats, Model
from rewardgen.design.evolve.space import Space, build_space
from rewardgen.design.evolve.standing import standings
from rewardgen.design.evolve.start import draw_program, initial_programs
from rewardgen.design.evolve.syntax import GrammarError
from rewardgen.design.evolve.traits import traits
from rewardgen.design.evolve.vary import crossover

# variations that are drawn for each place of an iteration
DRAFTS = 24
# how a variation is made, with the weight of each
WAYS = {"vary": 4.0, "vary_more": 2.0, "enrich": 2.0, "cross": 3.0, "newcomer": 3.0}
# programs of this many terms are not enriched but varied
MANY_TERMS = 4
ENRICHING = frozenset({"add_term", "add_factor", "add_survival", "stage"})
# how much of the model's uncertainty a reading shows: with all of it the strangest drafts, of which
# nothing is known, would win every time
BOLDNESS = 0.25
# in the second iteration every second place goes to a newcomer, in the third every third, until
# so many: what was drawn first is hardly the best start there is
NEWCOMER_EVERY = 6
# a place in so many goes to a program that was tried before, from the third iteration on: the first
# two are for finding where to start
AGAIN_EVERY, AGAIN_FROM = 3, 2
# candidates that are varied, and how the chance of each falls from the best on
PARENTS, FALL = 6, 0.7
TRIES = 40


class Strategy(StrEnum):
    """How much of the search is used; the second is the baseline that benchmarks compare with."""

    EVOLVE = "evolve"
    RANDOM = "random"  # the same grammar and first guess, no parents, no feedback


@dataclass(frozen=True)
class EvolveDesigner:
    """Proposes programs over the task's public features.

    Attributes:
        strategy: the search, or its baseline without parents and feedback.
    """

    strategy: Strategy = Strategy.EVOLVE

    @property
    def name(self) -> str:
        """``evolve`` or ``random``."""
        return self.strategy.value

    def propose(self, context: DesignContext) -> list[Proposal]:
        """Return ``context.count`` programs: new ones and, of origin ``again``, good ones."""
        rng = Random(context.seed)
        space = build_space(context)
        known = _known(context)
        tried = {_canonical(candidate.program) for candidate in known}
        evaluated = [k for k in known if k.tried.feedback.score is not None]
        standing = standings([k.tried.feedback for k in evaluated], space) if evaluated else []
        if self.strategy is Strategy.RANDOM or not _teach(standing):
            drafts = _scratch(rng, space, context.count, tried)
        else:
            tilted = learned(space, context.history)
            drafts = _children(rng, tilted, context, evaluated, standing, tried)
        return [
            Proposal(
                source=emit(draft.program, context.table, context.action),
                parents=draft.parents,
                origin=draft.origin,
                note="; ".join(describe(term, context.table) for term in draft.program.terms),
            )
            for draft in drafts
        ]


@dataclass(frozen=True)
class _Known:
    """A candidate that is a program of the grammar."""

    tried: Tried
    program: Program


@dataclass(frozen=True)
class _Parent:
    """A candidate to start from, and the space with the ranges that its policies reached."""

    tried: Tried
    program: Program
    space: Space


@dataclass(frozen=True)
class _Tested:
    """A program that was trained, once or several times.

    Attributes:
        known: its first candidate.
        expected: the standing that the model expects of its traits.
        merit: what it has beyond.
    """

    known: _Known
    expected: float
    merit: Merit

    @property
    def worth(self) -> float:
        """The best guess of its standing."""
        return self.expected + self.merit.mean


@dataclass(frozen=True)
class _Draft:
    """A program before it is written out."""

    program: Program
    parents: tuple[str, ...]
    origin: str


def _known(context: DesignContext) -> list[_Known]:
    """Return the candidates so far that are programs of the grammar, oldest first."""
    found: list[_Known] = []
    for tried in {t.candidate: t for t in (*context.history, *context.parents)}.values():
        try:
            found.append(_Known(tried, parse(tried.source, context.table)))
        except GrammarError:
            continue
    return found


def _teach(standing: Sequence[float]) -> bool:
    """Whether there is somebody to follow: several who all stand alike teach nothing."""
    return len(standing) in (1, 2) or len(set(standing)) > 1


def _canonical(program: Program) -> Program:
    """Return the program without names and overall scale, which change nothing in training."""
    largest = max(abs(term.weight) for term in program.terms)
    return Program(
        tuple(
            replace(term, name="", weight=rounded(term.weight / largest)) for term in program.terms
        )
    )


def _scratch(rng: Random, space: Space, count: int, tried: set[Program]) -> list[_Draft]:
    drafts: list[_Draft] = []
    for first in initial_programs(rng, space, count):
        program = first
        for _ in range(TRIES):
            if _canonical(program) not in tried:
                break
            program = draw_program(rng, space)
        tried.add(_canonical(program))
        drafts.append(_Draft(program, (), "scratch"))
    return drafts


def _children(
    rng: Random,
    space: Space,
    context: DesignContext,
    evaluated: Sequence[_Known],
    standing: Sequence[float],
    tried: set[Program],
) -> list[_Draft]:
    """Return the best so far, to be tried again, and the drafts of which most is expected."""
    vectors = [traits(known.program, space) for known in evaluated]
    model = Model(vectors, standing)
    expected = [float(mean) for mean in model.mean(vectors)]
    unexplained = [value - mean for value, mean in zip(standing, expected, strict=True)]
    tested = _tested(evaluated, expected, unexplained)
    places = context.count // AGAIN_EVERY if context.iteration >= AGAIN_FROM else 0
    again = _again(rng, tested)[:places]

    best_first = sorted(tested, key=lambda t: -t.worth)
    parents = [
        _Parent(t.known.tried, t.known.program, seen_by(space, t.known.tried.feedback))
        for t in best_first[:PARENTS]
    ]
    drafts = _drafts(rng, space, context.count * DRAFTS, parents, tried)
    vectors = [traits(draft.program, space) for draft in drafts]
    left = range(context.count - len(again))
    normal = np.asarray([[rng.gauss(0.0, BOLDNESS) for _ in drafts] for _ in left])
    readings = model.sample(vectors, normal) + _passed_on(drafts, evaluated, tested, unexplained)
    newcomer_every = min(max(2, 1 + context.iteration), NEWCOMER_EVERY)
    return [*again, *_fill(drafts, readings, newcomer_every)]


def _tested(
    evaluated: Sequence[_Known], expected: Sequence[float], unexplained: Sequence[float]
) -> list[_Tested]:
    """Return the programs that were trained, oldest first."""
    tests: dict[Program, list[int]] = {}
    for i, known in enumerate(evaluated):
        tests.setdefault(_canonical(known.program), []).append(i)
    rests = [[unexplained[i] for i in same] for same in tests.values()]
    share, size = own_share(rests), fmean(rest**2 for rest in unexplained)
    return [
        _Tested(evaluated[same[0]], expected[same[0]], merit(mine, share, size))
        for same, mine in zip(tests.values(), rests, strict=True)
    ]


def _again(rng: Random, tested: Sequence[_Tested]) -> list[_Draft]:
    """Return the programs so far, the best first by one plausible reading of their merits."""
    readings = [t.worth + rng.gauss(0.0, t.merit.deviation) for t in tested]
    order = sorted(range(len(tested)), key=lambda i: -readings[i])
    return [
        _Draft(tested[i].known.program, (tested[i].known.tried.candidate,), "again") for i in order
    ]


def _passed_on(
    drafts: Sequence[_Draft],
    evaluated: Sequence[_Known],
    tested: Sequence[_Tested],
    unexplained: Sequence[float],
) -> Floats:
    """Return what drafts have of their parents beyond what traits say, (drafts,)."""
    own = {t.known.tried.candidate: t.merit.mean for t in tested}
    share = inherited(
        {k.tried.candidate: k.tried.parents for k in evaluated if k.tried.candidate in own},
        {k.tried.candidate: rest for k, rest in zip(evaluated, unexplained, strict=True)},
    )
    return np.asarray(
        [share * fmean([own[name] for name in draft.parents] or [0.0]) for draft in drafts]
    )


def _fill(drafts: Sequence[_Draft], readings: Floats, newcomer_every: int) -> list[_Draft]:
    """Return the draft for each place: the best of what is left, by a reading of its own.

    Args:
        drafts: to choose from.
        readings: what is expected of each draft, (places, drafts).
        newcomer_every: a place in so many is for a newcomer.
    """
    chosen: dict[int, _Draft] = {}
    for place, values in enumerate(readings):
        open_to = [i for i in range(len(drafts)) if i not in chosen]
        newcomers = [i for i in open_to if not drafts[i].parents]
        if (place + 1) % newcomer_every == 0 and newcomers:
            # whoever comes first: the model would keep out what it knows nothing of
            best = newcomers[0]
        else:
            best = max(open_to, key=lambda i: values[i])
        chosen[best] = drafts[best]
    return list(chosen.values())


def _drafts(
    rng: Random, space: Space, count: int, parents: Sequence[_Parent], tried: set[Program]
) -> list[_Draft]:
    """Return different programs that have not been tried, made from the parents in all ways.

    Where a space holds hardly more than that, some come again.
    """
    drafts: list[_Draft] = []
    used = set(tried)
    for attempt in range(2 * count):
        draft = _draft(rng, space, parents) or _newcomer(rng, space)
        form = _canonical(draft.program)
        if form not in used or attempt >= 2 * count - count // DRAFTS:
            used.add(form)
            drafts.append(draft)
        if len(drafts) == count:
            break
    return drafts


def _draft(rng: Random, space: Space, parents: Sequence[_Parent]) -> _Draft | None:
    one = _parent(rng, parents)
    match rng.choices(list(WAYS), list(WAYS.values()))[0]:
        case "newcomer":
            return _newcomer(rng, space)
        case "cross" if len(parents) > 1:
            other = _parent(rng, [p for p in parents if p is not one])
            program = crossover(rng, one.program, other.program)
            ids = (one.tried.candidate, other.tried.candidate)
            return None if program is None else _Draft(program, ids, "crossover")
        case "enrich" if len(one.program.terms) < MANY_TERMS:
            return _mutant(rng, one, steps=1, only=ENRICHING)
        case "vary_more":
            return _mutant(rng, one, steps=2)
        case _:
            return _mutant(rng, one, steps=1)


def _parent(rng: Random, parents: Sequence[_Parent]) -> _Parent:
    """Draw a parent; they come best first."""
    return rng.choices(parents, [FALL**place for place in range(len(parents))])[0]


def _newcomer(rng: Random, space: Space) -> _Draft:
    return _Draft(draw_program(rng, space), (), "scratch")


def _mutant(rng: Random, parent: _Parent, steps: int, only: frozenset[str] = ALL) -> _Draft | None:
    feedback = parent.tried.feedback
    found = mutate(rng, parent.program, feedback, parent.space, steps, only)
    if found is None:
        return None
    program, operators = found
    return _Draft(program, (parent.tried.candidate,), f"mutation:{operators}")
