"""What the verbs do with a session: a search with its confirmation, or a training."""

from __future__ import annotations

from functools import partial

from rewardgen.analysis.columns import ColumnStatistics
from rewardgen.check.evidence import Evidence, evidence_of
from rewardgen.config import RunConfig, TrainConfig
from rewardgen.design.designer import Designer, Proposal
from rewardgen.rewards.format import RewardCode
from rewardgen.rewards.wrappers.catalogue import maybe_wrapper
from rewardgen.run.budget import closing_env_steps, iteration_env_steps
from rewardgen.run.confirming import Entrant, confirm
from rewardgen.run.film import film
from rewardgen.run.opinions import opinions_of
from rewardgen.run.pausing import pause_if_late
from rewardgen.run.playoff import play_off
from rewardgen.run.prejudging import Prejudging
from rewardgen.run.screening import Screening
from rewardgen.run.search import Incumbent, Search
from rewardgen.run.session import Session, human_source
from rewardgen.rungs.executor import Executor
from rewardgen.rungs.jobs import RewardRef, SurveyJob
from rewardgen.store import payloads as p
from rewardgen.store.seeds import Purpose, derive_seed, derive_seeds
from rewardgen.trial import TrialPlan, trial
from rewardgen_envs.registry import any_task

TRAIN = "train"


def search_program(
    session: Session, config: RunConfig, designer: Designer, start: Proposal | None = None
) -> None:
    """Search, play off, confirm the winner against human and sparse, render.

    Args:
        session: the open run.
        config: its configuration.
        designer: who proposes.
        start: a reward that is trained before the designer's first iteration, or None.
    """
    columns = _survey(session, config)
    collect = partial(_evidence, session, config) if config.critic else None
    with Screening(session.task, config.isolation, collect) as screening:
        incumbent = Search(
            config=config,
            task=session.task,
            metrics=session.metrics,
            designer=designer,
            feature_ranges=columns,
            workshop=session.workshop,
            journal=session.journal,
            screening=screening,
            display=session.display,
            iteration_env_steps=iteration_env_steps(config, session.task, session.recipe),
            closing_env_steps=closing_env_steps(config, session.task, session.recipe),
            deadline=session.deadline,
            start=start,
            opinions=opinions_of(designer) if config.critic else None,
            prejudge=Prejudging(
                config, session.task, session.journal, screening.pool, session.recipe.gamma
            )
            if config.prefilter
            else None,
        ).run()
    winner = play_off(session, config, incumbent)
    session.journal.select_winner(
        None if winner is None else winner.candidate,
        None if winner is None else winner.fitness,
        _reason(session, winner),
    )
    _confirm(session, config, winner)
    if config.render and "winner" not in session.directory.state.videos:
        film(session.directory, session.display)


def _evidence(session: Session, config: RunConfig) -> Evidence:
    """Play the task for what the critic looks at; own words make its fitness void."""
    session.display.note("playing the task for the critic")
    own_words = config.text
    if config.fitness is not None and own_words is None:
        own_words = session.task.description
    return evidence_of(lambda: any_task(config.task), session.recipe.gamma, own_words)


def _reason(session: Session, winner: Incumbent | None) -> str:
    """Say why a candidate won the search."""
    if winner is None:
        return "no candidate could be trained"
    decided_by = "play-off" if p.PLAYOFF in session.directory.state.trials else "search"
    return f"best mean fitness in the {decided_by}"


def _survey(session: Session, config: RunConfig) -> dict[str, ColumnStatistics]:
    """Roll out random actions once; designers learn how the features are spread."""
    executor: Executor = session.workshop.executor
    columns = session.journal.survey()
    if columns is None:
        session.display.note("surveying the features under random actions")
        job = SurveyJob(
            task=config.task,
            seed=derive_seed(config.seed, Purpose.SURVEY),
            threads=config.threads,
        )
        result = executor.survey("survey", job)
        session.journal.record_survey(result.columns, result.env_steps)
        columns = result.columns
    return {name: ColumnStatistics(*values) for name, values in columns.items()}


def _confirm(session: Session, config: RunConfig, winner: Incumbent | None) -> None:
    """Train winner, human and sparse on fresh seeds, evaluate on fresh episodes."""
    entrants = [
        Entrant(RewardRef(kind="human", name="human"), human_source(session.task)),
        Entrant(RewardRef(kind="sparse", name="sparse"), None),
    ]
    if winner is not None:
        entry = session.journal.entry(winner.candidate)
        around = maybe_wrapper(entry.wrapper)
        ref = RewardRef(kind="code", name="winner", source=entry.source, wrapper=around)
        entrants.insert(0, Entrant(ref, entry.source))
    confirm(session, config, entrants, ("human", "sparse"), config.confirm_steps)
    if winner is not None:
        session.journal.confirm(winner.candidate, "winner, retrained on fresh seeds")


def train_program(session: Session, config: TrainConfig, codes: dict[str, RewardCode]) -> None:
    """Train the given rewards side by side.

    Args:
        session: the open run.
        config: what to train.
        codes: arm → parsed reward file; arms named human and sparse are the task's own.
    """
    arms = train_arms(config, codes)
    episodes = derive_seeds(config.seed, Purpose.TRIAL_EVALUATION, config.eval_episodes)
    trial(
        session.workshop,
        session.journal,
        session.metric,
        TrialPlan(
            name=TRAIN,
            rewards=tuple(arms),
            sources=tuple(
                human_source(session.task) if a.kind == "human" else a.source or None for a in arms
            ),
            seeds=derive_seeds(config.seed, Purpose.TRIAL_TRAINING, config.seeds),
            eval_seeds=(episodes,) * config.rungs,
            env_steps=config.env_steps,
            rungs=config.rungs,
            references=(arms[0].name,),
            statistics_seed=derive_seed(config.seed, Purpose.STATISTICS),
        ),
        before_rung=lambda: pause_if_late(session.deadline),
    )


def train_arms(config: TrainConfig, codes: dict[str, RewardCode]) -> list[RewardRef]:
    """Return the arms of a training, in the order given."""
    arms: list[RewardRef] = []
    for name in config.rewards:
        if name == "human":
            arms.append(RewardRef(kind="human", name="human"))
        elif name == "sparse":
            arms.append(RewardRef(kind="sparse", name="sparse"))
        else:
            source = codes[name].source
            arms.append(RewardRef(kind="code", name=name, source=source, wrapper=config.wrapper))
    return arms
