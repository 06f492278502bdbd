"""The play-off: before the confirmation the best candidates train once more, on more seeds.

The best of dozens of candidates on two seeds each is often the luckiest one. Here all meet the
same fresh seeds and episodes. After each rung the worse half retires (sequential halving, Karnin
et al. 2013): along training if the search is such a race, else seed by seed. The best mean of who
is left wins. Seed by seed, what the search saw of a finalist counts as well.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from pydantic import JsonValue

from rewardgen.config import RunConfig
from rewardgen.design.designer import Tried
from rewardgen.rewards.wrappers.catalogue import maybe_wrapper
from rewardgen.run.budget import PLAYOFF_KEEP, most_finalists, playoff_rungs
from rewardgen.run.pausing import pause_if_late
from rewardgen.run.search import Incumbent
from rewardgen.run.session import Session
from rewardgen.rungs.jobs import RewardRef
from rewardgen.rungs.rung import MemberOutcome
from rewardgen.store.payloads import PLAYOFF
from rewardgen.store.seeds import Purpose, derive_seed, derive_seeds
from rewardgen.trial import TrialPlan, trial
from rewardgen_envs.metrics import Metric

# as many trainings as the mean of all candidates counts for, beside a candidate's own: what did
# well several times goes before what did a little better once
LEVEL_TRAININGS = 2


@dataclass(frozen=True)
class Finalist:
    """A reward that takes part.

    Attributes:
        candidate: the first that had this source and wrapper.
        source: its code.
        seen: fitness of every training in the search, and of some that went as all did on average.
        wrapper: what is put around it, or None.
    """

    candidate: str
    source: str
    seen: tuple[float, ...]
    wrapper: JsonValue = None


def play_off(session: Session, config: RunConfig, incumbent: Incumbent | None) -> Incumbent | None:
    """Return the winner: the finalist with the best mean fitness on fresh seeds.

    Raises:
        PausedError: ``max_hours`` is over.
    """
    finalists = _finalists(session, config, incumbent)
    if incumbent is None or len(finalists) < 2:
        return incumbent
    rungs = playoff_rungs(config)
    fresh = tuple(rung.seeds for rung in rungs if rung.fresh)
    by_seed = all(rung.fresh for rung in rungs)
    seen = {f.candidate: f.seen for f in finalists} if by_seed else {}
    names = ", ".join(f.candidate for f in finalists)
    session.display.note(f"play-off of {names} on {sum(fresh)} fresh seeds")
    result = trial(
        session.workshop,
        session.journal,
        session.metric,
        TrialPlan(
            name=PLAYOFF,
            rewards=tuple(
                RewardRef(
                    kind="code",
                    name=f.candidate,
                    source=f.source,
                    wrapper=maybe_wrapper(f.wrapper),
                )
                for f in finalists
            ),
            sources=tuple(f.source for f in finalists),
            seeds=derive_seeds(
                config.seed, Purpose.SEARCH_TRAINING, sum(fresh), iteration=config.rounds
            ),
            eval_seeds=tuple(
                derive_seeds(
                    config.seed,
                    Purpose.SEARCH_EVALUATION,
                    config.eval_episodes,
                    iteration=config.rounds,
                    rung=rung,
                )
                for rung in range(len(rungs))
            ),
            env_steps=config.env_steps,
            rungs=len(rungs),
            references=(),
            statistics_seed=derive_seed(config.seed, Purpose.STATISTICS),
            keep=PLAYOFF_KEEP,
            fresh=fresh if by_seed else (),
            seen=seen,
        ),
        before_rung=lambda: pause_if_late(session.deadline),
    )
    finishers = {name: result.members[name] for name in result.finishers}
    return _best(finishers, seen, session.metric) or incumbent


def _finalists(session: Session, config: RunConfig, incumbent: Incumbent | None) -> list[Finalist]:
    """Return the best candidates that passed every rung, the incumbent first."""
    if incumbent is None:
        return []
    passed = [t for t in session.journal.history() if t.state in ("evaluated", "confirmed")]
    entry = session.journal.entry(incumbent.candidate)
    first = (entry.source, entry.wrapper)
    ranked = sorted(nominated(passed), key=lambda f: (f.source, f.wrapper) != first)
    return ranked[: most_finalists(config)]


def nominated(candidates: Sequence[Tried]) -> list[Finalist]:
    """Return the evaluated candidates by how well they did, best first; of equal ones the first.

    Their places in the evaluation and in late training count alike: a few episodes of a policy or
    two make the luckiest of many the best.
    """
    same: dict[tuple[str, str], list[Tried]] = {}
    for t in candidates:
        if t.feedback.score is not None:
            same.setdefault((t.source, json.dumps(t.wrapper, sort_keys=True)), []).append(t)
    ended = _levelled([[t.feedback.score or 0.0 for t in tests] for tests in same.values()])
    late = _levelled([[t.feedback.late_score or 0.0 for t in tests] for tests in same.values()])
    places = [one + two for one, two in zip(_better(ended), _better(late), strict=True)]
    fitness = [[x for t in tests for x in t.feedback.fitness[0].members] for tests in same.values()]
    finalists = [
        Finalist(tests[0].candidate, tests[0].source, tuple(values), tests[0].wrapper)
        for tests, values in zip(same.values(), _with_level(fitness), strict=True)
    ]
    best_first = sorted(range(len(same)), key=lambda i: (places[i], -ended[i]))
    return [finalists[i] for i in best_first]


def _better(values: Sequence[float]) -> list[int]:
    """Return how many of the values are above each."""
    ordered = sorted(values)
    return [len(ordered) - bisect_right(ordered, value) for value in values]


def _levelled(tests: Sequence[Sequence[float]]) -> list[float]:
    """Return the mean of each source's tests, those included that went as all did."""
    return [fmean(values) for values in _with_level(tests)]


def _with_level(tests: Sequence[Sequence[float]]) -> list[list[float]]:
    level = fmean([x for values in tests for x in values] or [0.0])
    return [[*values, *[level] * LEVEL_TRAININGS] for values in tests]


def _best(
    members: Mapping[str, Sequence[MemberOutcome]],
    seen: Mapping[str, Sequence[float]],
    metric: Metric,
) -> Incumbent | None:
    """Return the finalist with the best mean; one of whose members failed cannot win."""
    own = {
        name: [fmean(m.episodes.fitness[metric.name]) for m in outcomes if m.episodes is not None]
        for name, outcomes in members.items()
        if all(m.failure is None for m in outcomes)
    }
    if not own:
        return None
    name = max(own, key=lambda name: metric.sign * fmean([*own[name], *seen.get(name, ())]))
    checkpoints = tuple(m.checkpoint for m in members[name] if m.checkpoint is not None)
    return Incumbent(name, checkpoints, fmean(own[name]))
