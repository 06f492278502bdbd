"""The designer ``evolve``: no language model, a search over typed programs.

The first iteration starts from different goals that the sentence and the features suggest. Later
ones are mostly children of the best (Eureka's greedy choice), some of others (by tournament),
crossovers, and an immigrant from the space as tilted by what has been learned; nothing is tried
twice. Everything follows from the context; the designer keeps no memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import cycle
from random import Random

from rewardgen.analysis.feedback import Fitness
from rewardgen.design.designer import DesignContext, Proposal, Tried
from rewardgen.design.evolve.describe import describe
from rewardgen.design.evolve.emit import emit, parse
from rewardgen.design.evolve.grammar import Program, rounded
from rewardgen.design.evolve.guide import ALL, mutate
from rewardgen.design.evolve.learn import learned, seen_by
from rewardgen.design.evolve.sample import draw_program, features, initial_programs
from rewardgen.design.evolve.space import Space, build_space
from rewardgen.design.evolve.syntax import GrammarError
from rewardgen.design.evolve.vary import crossover

# how the places of an iteration are filled, in turn; with few candidates a helper for the best is
# worth more than a change of its numbers, which may be lost in the noise between seeds
PLAN = ("enrich", "best", "cross", "enrich", "other", "immigrant", "enrich", "cross")
# programs of this many terms are not enriched but varied
MANY_TERMS = 4
ENRICHING = frozenset({"add_term", "add_factor", "add_survival"})
TRIES = 40


class Strategy(StrEnum):
    """How much of the search is used; the second is the baseline that benchmarks compare with."""

    EVOLVE = "evolve"
    RANDOM = "random"  # the same grammar and first guess, no parents, no feedback


@dataclass(frozen=True)
class Parent:
    """A candidate that programs can be made from.

    Attributes:
        tried: the candidate.
        program: its source, read.
        score: fitness in the evaluation, larger is better.
        ease: fitness averaged over training: of two that end alike, the one that is learned
            sooner is also learned more reliably.
    """

    tried: Tried
    program: Program
    score: float
    ease: float


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
        """Return ``context.count`` programs that have not been tried."""
        rng = Random(context.seed)
        space = build_space(context)
        tried = {_canonical(program) for program in _programs(context)}
        parents = _parents(context)
        if self.strategy is Strategy.RANDOM or not _differ(parents):
            drafts = _scratch(rng, space, context.count, tried)
        else:
            drafts = _children(rng, learned(space, context.history), context, parents, tried)
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
class _Draft:
    """A program before it is written out."""

    program: Program
    parents: tuple[str, ...]
    origin: str


def _programs(context: DesignContext) -> Iterator[Program]:
    """Yield the candidates so far that are programs of the grammar."""
    for tried in context.history:
        try:
            yield parse(tried.source, context.table)
        except GrammarError:
            continue


def _parents(context: DesignContext) -> list[Parent]:
    """Return the evaluated candidates that can be varied, best first."""
    found: list[Parent] = []
    for tried in {t.candidate: t for t in (*context.history, *context.parents)}.values():
        score = tried.feedback.score
        if score is None:
            continue
        try:
            program = parse(tried.source, context.table)
        except GrammarError:
            continue
        found.append(Parent(tried, program, score, _ease(tried.feedback.fitness[0], tried)))
    # the run's own choice leads; it has compared the best on the same episodes
    best = context.parents[0].candidate if context.parents else ""
    found.sort(key=lambda p: (p.tried.candidate != best, -(p.score + p.ease)))
    return found


def _ease(fitness: Fitness, tried: Tried) -> float:
    series = tried.feedback.training_fitness.get(fitness.metric)
    if series is None:
        return fitness.score
    return series.mean if fitness.higher_is_better else -series.mean


def _differ(parents: Sequence[Parent]) -> bool:
    """Whether there is somebody to follow: several that all score the same teach nothing."""
    return len(parents) in (1, 2) or len({parent.score for parent in parents}) > 1


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
    rng: Random, space: Space, context: DesignContext, parents: list[Parent], tried: set[Program]
) -> list[_Draft]:
    drafts: list[_Draft] = []
    used = {_used(program) for program in tried}
    for _, place in zip(range(context.count), cycle(PLAN), strict=False):
        new: _Draft | None = None
        for _ in range(TRIES):
            draft = _child(rng, space, parents, place)
            if draft is None or _canonical(draft.program) in tried:
                continue
            new = draft
            if place != "enrich" or _used(draft.program) not in used:
                break
        draft = new or _immigrant(rng, space)
        tried.add(_canonical(draft.program))
        used.add(_used(draft.program))
        drafts.append(draft)
    return drafts


def _used(program: Program) -> frozenset[str]:
    """Return the features of a program: what it is about, whatever the form."""
    return features(program.terms)


def _child(rng: Random, space: Space, parents: Sequence[Parent], place: str) -> _Draft | None:
    best, others = parents[0], parents[1:]
    match place:
        case "immigrant":
            return _immigrant(rng, space)
        case "cross" if others:
            pair = [best, _tournament(rng, others)]
            rng.shuffle(pair)
            program = crossover(rng, pair[0].program, pair[1].program)
            ids = (pair[0].tried.candidate, pair[1].tried.candidate)
            return None if program is None else _Draft(program, ids, "crossover")
        case "other" if others:
            return _mutant(rng, space, _tournament(rng, others), steps=1)
        case "enrich" if len(best.program.terms) < MANY_TERMS:
            return _mutant(rng, space, best, steps=1, only=ENRICHING)
        case _:
            return _mutant(rng, space, best, steps=rng.choice((1, 1, 2, 3)))


def _immigrant(rng: Random, space: Space) -> _Draft:
    return _Draft(draw_program(rng, space), (), "scratch")


def _mutant(
    rng: Random, space: Space, parent: Parent, steps: int, only: frozenset[str] = ALL
) -> _Draft | None:
    feedback = parent.tried.feedback
    found = mutate(rng, parent.program, feedback, seen_by(space, feedback), steps, only)
    if found is None:
        return None
    program, operators = found
    return _Draft(program, (parent.tried.candidate,), f"mutation:{operators}")


def _tournament(rng: Random, parents: Sequence[Parent]) -> Parent:
    """Return the better of two drawn at random; parents come best first."""
    return parents[min(rng.randrange(len(parents)), rng.randrange(len(parents)))]
