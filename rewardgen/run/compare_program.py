"""Race and confirmation of compared rewards: two trials of a run, so that both can be resumed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from rewardgen.analysis.exact import mann_whitney
from rewardgen.config import CompareConfig
from rewardgen.report.curves import Band, CurveReader
from rewardgen.rewards.wrappers.catalogue import maybe_wrapper
from rewardgen.run.comparison import raced
from rewardgen.run.confirming import CONFIRM, Entrant, confirm
from rewardgen.run.pausing import pause_if_late
from rewardgen.run.session import Session
from rewardgen.rungs.jobs import RewardRef
from rewardgen.store.artifacts import ArtifactReader
from rewardgen.store.compare_records import (
    RACE,
    ComparedReward,
    CompareRecord,
    ConfirmedRecord,
    RaceRungRecord,
)
from rewardgen.store.records import ArmRecord
from rewardgen.store.run_directory import RunDirectory, RunSnapshot
from rewardgen.store.seeds import Purpose, derive_seed, derive_seeds
from rewardgen.store.show import member_fitness, show_record
from rewardgen.trial import TrialPlan, TrialResult, trial
from rewardgen_envs.errors import UsageError

COMPARISON = "comparison"
"""Job of a run that holds what was known of its rewards before training."""
_LAST = 0.1  # of the training: its end, for how it compares with its best


@dataclass(frozen=True)
class _Ranked:
    """A reward that was raced; ``score``: higher is better; ``left``: it did not retire."""

    name: str
    score: float
    left: bool


def stored_comparison(directory: RunDirectory | RunSnapshot) -> CompareRecord:
    """Return what was known of a run's rewards before training.

    Raises:
        UsageError: the run was killed before that was stored.
    """
    job = directory.state.jobs.get(COMPARISON)
    if job is None or job.result is None:
        raise UsageError(
            "this comparison was killed before it had stored anything: start it again under "
            "another name"
        )
    return CompareRecord.model_validate_json(directory.artifacts.read_text(job.result))


def compare_program(session: Session, config: CompareConfig) -> None:
    """Race the rewards that nothing speaks against; confirm who is left on fresh seeds.

    Raises:
        PausedError: ``max_hours`` is over.
    """
    record = stored_comparison(session.directory)
    entries = [_entry(reward, session.directory.artifacts) for reward in raced(record)]
    ranked = _race(session, config, entries)
    if config.stage != "confirm":
        return
    incumbent = record.reference or next((each.name for each in ranked), None)
    others = [each for each in ranked if each.name != incumbent]
    # what has to beat the incumbent: who is left, or at least the best of those that retired
    names = [each.name for each in others if each.left] or [each.name for each in others[:1]]
    chosen = [e for e in entries if e.reward.name in names or e.reward.name == incumbent]
    confirm(session, config, chosen, () if incumbent is None else (incumbent,), config.env_steps)


def _entry(reward: ComparedReward, artifacts: ArtifactReader) -> Entrant:
    sha = reward.source_sha256
    source = None if sha is None else artifacts.read_text(sha)
    if reward.kind == "human" or reward.kind == "sparse":
        return Entrant(RewardRef(kind=reward.kind, name=reward.name), source)
    wrapper = maybe_wrapper(reward.wrapper)
    ref = RewardRef(kind="code", name=reward.name, source=source or "", wrapper=wrapper)
    return Entrant(ref, source)


def _race(session: Session, config: CompareConfig, entries: Sequence[Entrant]) -> list[_Ranked]:
    """Return who was trained to the end of a rung: who is left first, then by fitness."""
    result = trial(
        session.workshop,
        session.journal,
        session.metric,
        TrialPlan(
            name=RACE,
            rewards=tuple(e.reward for e in entries),
            sources=tuple(e.source for e in entries),
            seeds=derive_seeds(config.seed, Purpose.SEARCH_TRAINING, config.seeds),
            eval_seeds=tuple(
                derive_seeds(
                    config.seed, Purpose.SEARCH_EVALUATION, config.eval_episodes, rung=rung
                )
                for rung in range(config.rungs)
            ),
            env_steps=config.env_steps,
            rungs=config.rungs,
            references=(),
            statistics_seed=derive_seed(config.seed, Purpose.STATISTICS),
            keep=config.keep,
            wildcards=config.wildcards,
        ),
        before_rung=lambda: pause_if_late(session.deadline),
    )
    return _ranked(session, result)


def _ranked(session: Session, result: TrialResult) -> list[_Ranked]:
    metric = session.metric
    ranked: list[_Ranked] = []
    for name, members in result.members.items():
        episodes = [m.episodes for m in members if m.episodes is not None]
        if episodes and all(m.failure is None for m in members):
            fitness = fmean(fmean(e.fitness[metric.name]) for e in episodes)
            ranked.append(_Ranked(name, metric.sign * fitness, name in result.finishers))
    return sorted(ranked, key=lambda each: (not each.left, -each.score))


def compared_run(run: RunSnapshot) -> CompareRecord:
    """Return a comparison that was trained, as far as it has got.

    Raises:
        UsageError: the run was killed before anything was stored.
        StoreError: an artifact is missing or was changed.
    """
    before, shown = stored_comparison(run), show_record(run)
    started = run.state.started
    assert started is not None, "a snapshot is of a run that was begun"
    ranking, race = shown.fitness[0], run.state.trials.get(RACE)
    rewards: list[ComparedReward] = []
    fitness: dict[str, float] = {}
    for reward in before.rewards:
        members = {} if race is None else race.members.get(reward.name, {})
        score = member_fitness(members.values(), ranking.name)
        if score is not None:
            fitness[reward.name] = score
        rungs = max((len(m.rungs) for m in members.values()), default=None)
        rewards.append(reward.model_copy(update={"fitness": score, "rungs": rungs}))
    finished = CONFIRM in run.state.trials
    sign = 1.0 if ranking.direction == "higher" else -1.0
    best = max(fitness, key=lambda name: sign * fitness[name], default=None)
    compared_with = {each.over for arm in shown.arms for each in arm.improvements}
    incumbent = before.reference or next(iter(compared_with), best)
    return before.model_copy(
        update={
            "run": run.name,
            "stage": started.config["stage"],
            "incumbent": incumbent,
            "rewards": tuple(rewards),
            "arms": shown.arms,
            "race": _rungs(run, ranking.name),
            "confirmed": _confirmed(shown.arms, incumbent, sign, ranking.name, run.artifacts)
            if finished
            else (),
            "notes": shown.notes,
        }
    )


def _rungs(run: RunSnapshot, metric: str) -> tuple[RaceRungRecord, ...]:
    """Return what the rewards of the race reached in each rung."""
    finished = [
        rung.finished
        for rung in run.state.rungs.values()
        if rung.started.trial == RACE and rung.finished is not None
    ]
    records: list[RaceRungRecord] = []
    for number, rung in enumerate(finished, start=1):
        means: dict[str, list[float]] = {}
        for member in rung.members:
            if member.fitness.get(metric):
                means.setdefault(member.source, []).append(fmean(member.fitness[metric]))
        fitness = {name: fmean(values) for name, values in means.items()}
        records.append(RaceRungRecord(rung=number, fitness=fitness))
    return tuple(records)


def _confirmed(
    arms: Sequence[ArmRecord],
    incumbent: str | None,
    sign: float,
    metric: str,
    artifacts: ArtifactReader,
) -> tuple[ConfirmedRecord, ...]:
    reader = CurveReader(artifacts)
    own = {arm.arm: [fmean(m.fitness) for m in arm.members if m.fitness] for arm in arms}
    against = own.get(incumbent or "", [])
    records: list[ConfirmedRecord] = []
    for arm in arms:
        band = reader.band(arm.arm, arm.members, f"fitness/{metric}")
        test = None
        if arm.arm != incumbent and own[arm.arm] and against:
            test = mann_whitney(own[arm.arm], against)
        records.append(
            ConfirmedRecord(
                arm=arm.arm,
                last_over_best=None if band is None else _last_over_best(band, sign),
                over=incumbent if test is not None else None,
                p=None if test is None else test.p,
                remark="" if test is None else test.remark,
            )
        )
    return tuple(records)


def _last_over_best(band: Band, sign: float) -> float | None:
    """Return where the end of training lies between its worst (0) and its best (1)."""
    mean = sign * band.mean[~(band.mean != band.mean)]
    if not len(mean) or mean.max() == mean.min():
        return None
    last = mean[-max(1, round(_LAST * len(mean))) :].mean()
    return float((last - mean.min()) / (mean.max() - mean.min()))
