"""The play-off: before the confirmation the best candidates train once more, on more seeds.

The best of dozens of candidates on two seeds each is often the luckiest one. Here all meet the
same fresh seeds and episodes. After each rung the worse half retires (sequential halving, Karnin
et al. 2013): along training if the search is such a race, else seed by seed. The best mean of who
is left wins.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from rewardgen.config import RunConfig
from rewardgen.design.designer import Tried
from rewardgen.run.budget import PLAYOFF_KEEP, most_finalists, playoff_rungs
from rewardgen.run.population import mean_fitness
from rewardgen.run.search import Incumbent, pause_if_late
from rewardgen.run.session import Session
from rewardgen.rungs.jobs import RewardRef
from rewardgen.rungs.rung import MemberOutcome
from rewardgen.store.payloads import PLAYOFF
from rewardgen.store.seeds import Purpose, derive_seed, derive_seeds
from rewardgen.trial import TrialPlan, trial
from rewardgen_envs.metrics import Metric


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
    count = sum(fresh)
    session.display.note(f"play-off of {', '.join(finalists)} on {count} fresh seeds")
    sources = [session.journal.entry(name).source for name in finalists]
    result = trial(
        session.workshop,
        session.journal,
        session.metric,
        TrialPlan(
            name=PLAYOFF,
            rewards=tuple(
                RewardRef(kind="code", name=name, source=source)
                for name, source in zip(finalists, sources, strict=True)
            ),
            sources=tuple(sources),
            seeds=derive_seeds(
                config.seed, Purpose.SEARCH_TRAINING, count, iteration=config.rounds
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
            fresh=fresh if all(rung.fresh for rung in rungs) else (),
        ),
        before_rung=lambda: pause_if_late(session.deadline),
    )
    finishers = {name: result.members[name] for name in result.finishers}
    return _best(finishers, session.metric) or incumbent


def _finalists(session: Session, config: RunConfig, incumbent: Incumbent | None) -> list[str]:
    """Return the best candidates that passed every rung, the incumbent first."""
    if incumbent is None:
        return []
    passed = [t for t in session.journal.history() if t.state in ("evaluated", "confirmed")]
    first = session.journal.entry(incumbent.candidate).source
    ranked = sorted(nominated(passed), key=lambda t: t.source != first)
    return [t.candidate for t in ranked[: most_finalists(config)]]


def nominated(candidates: Sequence[Tried]) -> list[Tried]:
    """Return the evaluated candidates by how well they did, best first; of equal sources the first.

    Their places in the evaluation and in late training count alike: a few episodes of a policy or
    two make the luckiest of many the best.
    """
    tests: dict[str, list[Tried]] = {}
    for t in candidates:
        if t.feedback.score is not None:
            tests.setdefault(t.source, []).append(t)
    same = list(tests.values())
    ended = _levelled([[t.feedback.score or 0.0 for t in tests] for tests in same])
    late = _levelled([[t.feedback.late_score or 0.0 for t in tests] for tests in same])
    places = [
        sum(other > one for other in ended) + sum(other > two for other in late)
        for one, two in zip(ended, late, strict=True)
    ]
    best_first = sorted(range(len(same)), key=lambda i: (places[i], -ended[i]))
    return [same[i][0] for i in best_first]


def _levelled(tests: Sequence[Sequence[float]]) -> list[float]:
    """Return the mean of each source's tests, as if the mean of all had been one test more.

    What did well several times goes before what did a little better once.
    """
    level = fmean([x for values in tests for x in values] or [0.0])
    return [(sum(values) + level) / (len(values) + 1) for values in tests]


def _best(members: dict[str, tuple[MemberOutcome, ...]], metric: Metric) -> Incumbent | None:
    """Return the finalist with the best mean; one of whose members failed cannot win."""
    scores = {
        name: mean_fitness([m.episodes for m in outcomes if m.episodes is not None], metric)
        for name, outcomes in members.items()
        if all(m.failure is None for m in outcomes)
    }
    if not scores:
        return None
    name = max(scores, key=lambda name: scores[name])
    checkpoints = tuple(m.checkpoint for m in members[name] if m.checkpoint is not None)
    return Incumbent(name, checkpoints, metric.sign * scores[name])
