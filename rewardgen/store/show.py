"""Builds the records of a run from its state."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean

from rewardgen.store.compare_records import RACE
from rewardgen.store.errors import StoreError
from rewardgen.store.events import DATABASE_NAME, read_ends
from rewardgen.store.fold import Event
from rewardgen.store.lock import is_locked
from rewardgen.store.normalized import StoredBaseline, stored_baseline
from rewardgen.store.parts import Isolation, MetricFacts
from rewardgen.store.payloads import (
    PLAYOFF,
    Resumed,
    RunFailed,
    RunFinished,
    RungFinished,
    RunInterrupted,
    RunStarted,
)
from rewardgen.store.records import (
    ArmRecord,
    AttemptRecord,
    CandidateRecord,
    FitnessRecord,
    HumanFeedbackRecord,
    IterationRecord,
    ListRecord,
    LlmUsage,
    MemberRecord,
    PhaseRecord,
    RunEntry,
    RunStateName,
    ShowRecord,
    WinnerRecord,
    improvement,
)
from rewardgen.store.run_directory import RunSnapshot, check_runs_dir, run_names
from rewardgen.store.state import CandidateState, MemberState, RunState, Status, TrialState
from rewardgen_envs.engines.choice import engine_for

# the arm that retrains the search's choice; its record also shows what the search measured
WINNER_ARM = "winner"
_SEARCH = "search"
# events that say whether a process works on the run
_CLOSING = (RunFinished, RunInterrupted, RunFailed, Resumed)


def show_record(run: RunSnapshot, *, code: bool = True) -> ShowRecord:
    """Return everything there is to say about a run.

    Args:
        run: the run.
        code: whether the text of every reward is read; else it is left empty.

    Raises:
        StoreError: an artifact is missing or was changed.
    """
    state = run.state
    started = _started(state)
    task = started.task
    ranking = task.metrics[0].name
    winner = state.winner
    baseline = stored_baseline(started)
    read = run.artifacts.read_text if code else _unread
    return ShowRecord(
        run=run.name,
        task=task.name,
        task_version=task.version,
        seed=started.seed,
        designer=started.designer,
        state=run_state(state.status, alive=run.alive),
        env_steps=state.env_steps,
        wall_s=round(state.wall_s, 3),
        cost_usd=state.cost_usd,
        isolation=Isolation(mode=started.isolation.mode, applied=tuple(state.isolation_applied)),
        simulated_by=_simulated_by(started),
        winner=None if winner is None else winner.candidate,
        candidates=tuple(
            _candidate(candidate, ranking, read) for candidate in state.candidates.values()
        ),
        arms=_arms(run, baseline),
        reason=state.reason,
        verb=started.verb,
        command=started.command,
        started=_iso(state.started_wall),
        description=task.description,
        scene_sha256=task.scene_sha256,
        fitness=tuple(fitness_record(metric) for metric in task.metrics),
        budget_env_steps=started.budget_env_steps,
        phases=_phases(state),
        llm=_llm(state),
        config=started.config,
        recipe=started.recipe,
        recipe_sha256=started.recipe_sha256,
        manifest=started.manifest,
        resumes=len(state.resumes),
        iterations=tuple(
            IterationRecord(
                iteration=iteration.iteration,
                candidates=tuple(iteration.candidates),
                best=iteration.finished.best if iteration.finished else None,
                fitness=iteration.finished.fitness if iteration.finished else None,
            )
            for iteration in state.iterations.values()
            if iteration.candidates  # one begins before its designer has proposed anything
        ),
        selection=None
        if winner is None
        else WinnerRecord(candidate=winner.candidate, fitness=winner.fitness, reason=winner.reason),
        videos=state.videos,
        notes=tuple(state.notes),
        human_feedback=tuple(
            HumanFeedbackRecord(iteration=said.iteration, candidate=said.candidate, text=said.text)
            for said in state.human_feedback
        ),
        baseline=None if baseline is None else baseline.record,
    )


def _simulated_by(started: RunStarted) -> str:
    """Say what a run asks for; earlier versions knew the CPU only."""
    config = started.config
    devices, cluster = str(config.get("device", "cpu")), config.get("cluster")
    engine = started.task.environment or config.get("engine") or engine_for(devices)
    return f"{engine} on {devices}" + (f", Ray cluster {cluster}" if cluster else "")


def candidate_record(run: RunSnapshot, name: str) -> CandidateRecord | None:
    """Return one candidate, without reading the others' files; None if there is none.

    Raises:
        StoreError: an artifact is missing or was changed.
    """
    found = run.state.candidates.get(name)
    ranking = _started(run.state).task.metrics[0].name
    return None if found is None else _candidate(found, ranking, run.artifacts.read_text)


def is_done(path: Path) -> bool:
    """Whether a run is finished, without reading all of it.

    Raises:
        StoreError: its log cannot be read.
    """
    return _last_status(read_ends(path / DATABASE_NAME, _CLOSING)) == "done"


def list_record(runs_dir: Path) -> ListRecord:
    """Return all runs of a folder, oldest first; those never begun are left out.

    Raises:
        UsageError: there is no such folder; the default one may be missing.
    """
    check_runs_dir(runs_dir)
    entries: list[tuple[float, RunEntry]] = []
    for name in run_names(runs_dir):
        entry = _entry(runs_dir / name)
        if entry is not None:
            entries.append(entry)
    entries.sort(key=lambda pair: (pair[0], pair[1].run))
    return ListRecord(runs=tuple(entry for _, entry in entries))


def fitness_record(metric: MetricFacts) -> FitnessRecord:
    """Return a metric as it is printed."""
    return FitnessRecord(
        name=metric.name,
        unit=metric.unit,
        direction="higher" if metric.higher_is_better else "lower",
        success=metric.success,
    )


def run_state(status: Status, *, alive: bool) -> RunStateName:
    """Return the state of a run: one whose process died without a word was interrupted."""
    if status in ("new", "running"):
        return "running" if alive else "interrupted"
    return status


def member_fitness(members: Iterable[MemberState], metric: str) -> float | None:
    """Return the mean over the members' mean fitness; None while no member has one."""
    means = [fmean(m.fitness[metric]) for m in members if m.fitness.get(metric)]
    return fmean(means) if means else None


def _phases(state: RunState) -> tuple[PhaseRecord, ...]:
    """Return what each phase spent: jobs first, then the search and the trials as they ran."""
    phases = [
        PhaseRecord(phase=name, env_steps=job.env_steps, wall_s=None)
        for name, job in state.jobs.items()
    ]
    rungs: dict[str, list[RungFinished]] = {}
    for rung in state.rungs.values():
        if rung.finished is not None:
            rungs.setdefault(rung.started.trial or _SEARCH, []).append(rung.finished)
    return (
        *phases,
        *(
            PhaseRecord(
                phase=name,
                env_steps=sum(rung.env_steps for rung in finished),
                wall_s=round(sum(rung.wall_s for rung in finished), 3),
            )
            for name, finished in rungs.items()
        ),
    )


def _llm(state: RunState) -> LlmUsage | None:
    """Return what language models were asked; None if none ever answered."""
    replies = state.replies.values()
    if not replies:
        return None
    asked = [reply for reply in replies if not reply.cached]
    costs = [reply.cost_usd for reply in asked if reply.cost_usd is not None]
    return LlmUsage(
        model=", ".join(dict.fromkeys(reply.model for reply in replies)),
        calls=len(asked),
        retried=sum(reply.attempts - 1 for reply in asked),
        cached=len(replies) - len(asked),
        prompt_tokens=sum(reply.prompt_tokens for reply in asked),
        completion_tokens=sum(reply.completion_tokens for reply in asked),
        cost_usd=sum(costs) if len(costs) == len(asked) else None,
        estimated=sum(reply.estimated for reply in asked),
    )


def _unread(artifact: str) -> str:
    del artifact
    return ""


def _candidate(
    candidate: CandidateState, ranking: str, read: Callable[[str], str]
) -> CandidateRecord:
    proposal = candidate.proposal
    return CandidateRecord(
        id=proposal.candidate,
        iteration=proposal.iteration,
        slot=proposal.slot,
        parents=proposal.parents,
        state=candidate.state,
        reason=candidate.reason,
        source_sha256=proposal.source,
        source=read(proposal.source),
        members=_members(candidate.members, ranking),
        origin=proposal.origin,
        note=proposal.note,
        fitness=member_fitness(candidate.members.values(), ranking),
        findings=() if candidate.check is None else candidate.check.findings,
        feedback=None if candidate.feedback is None else candidate.feedback.text,
        attempts=tuple(
            AttemptRecord(
                source_sha256=attempt.proposal.source,
                source=read(attempt.proposal.source),
                findings=() if attempt.check is None else attempt.check.findings,
                wrapper=attempt.proposal.wrapper,
            )
            for attempt in candidate.attempts
        ),
        wrapper=proposal.wrapper,
    )


def _members(members: Mapping[int, MemberState], ranking: str) -> tuple[MemberRecord, ...]:
    return tuple(
        MemberRecord(
            train_seed=member.seed,
            env_steps=member.env_steps,
            checkpoint_step=member.checkpoint_step,
            eval_seeds=member.eval_seeds,
            fitness=member.fitness.get(ranking, ()),
            metrics=member.fitness,
            checkpoint=member.checkpoint,
            failure=member.failure,
            curves=tuple(member.curves),
        )
        for member in members.values()
    )


def _arms(run: RunSnapshot, baseline: StoredBaseline | None) -> tuple[ArmRecord, ...]:
    """Return what was compared at the end; trials that only choose come in where there is none."""
    all_trials = run.state.trials
    trials = [trial for name, trial in all_trials.items() if name not in (PLAYOFF, RACE)]
    if not trials and RACE in all_trials:
        trials = [all_trials[RACE]]
    return tuple(arm for trial in trials for arm in _trial_arms(run, trial, baseline))


def _trial_arms(
    run: RunSnapshot, trial: TrialState, baseline: StoredBaseline | None
) -> list[ArmRecord]:
    ranking = _started(run.state).task.metrics[0].name
    statistics = {} if trial.finished is None else {a.arm: a for a in trial.finished.arms}
    comparisons = () if trial.finished is None else trial.finished.comparisons
    records: list[ArmRecord] = []
    for arm in trial.started.arms:
        known = statistics.get(arm.arm)
        selected = run.state.winner if arm.arm == WINNER_ARM else None
        records.append(
            ArmRecord(
                arm=arm.arm,
                source_sha256=arm.source,
                members=_members(trial.members[arm.arm], ranking),
                iqm=None if known is None else known.iqm,
                interval=None if known is None else known.interval,
                method="" if known is None else known.method,
                improvements=tuple(improvement(c) for c in comparisons if c.arm == arm.arm),
                search_fitness=None if selected is None else selected.fitness,
                source=None if arm.source is None else run.artifacts.read_text(arm.source),
                human_normalized=None
                if known is None or baseline is None
                else baseline.normalized(known.iqm),
                wrapper=arm.wrapper,
            )
        )
    return records


def _entry(path: Path) -> tuple[float, RunEntry] | None:
    alive = is_locked(path)
    try:
        events = read_ends(path / DATABASE_NAME, _CLOSING)
    except StoreError as error:
        written = (path / DATABASE_NAME).stat().st_mtime
        return written, RunEntry(run=path.name, state="unreadable", task=None, reason=str(error))
    if not events or not isinstance(events[0].payload, RunStarted):
        return None
    first = events[0]
    entry = RunEntry(
        run=path.name,
        state=run_state(_last_status(events), alive=alive),
        task=events[0].payload.task.name,
        started=_iso(first.t_wall),
    )
    return first.t_wall, entry


def _last_status(events: Sequence[Event]) -> Status:
    """Return where a run stands, by the last of its events that says so."""
    match events[-1].payload if events else None:
        case RunFinished():
            return "done"
        case RunInterrupted():
            return "interrupted"
        case RunFailed():
            return "failed"
        case _:
            return "running"


def _started(state: RunState) -> RunStarted:
    assert state.started is not None, "a snapshot is of a run that was begun"
    return state.started


def _iso(t_wall: float) -> str:
    return datetime.fromtimestamp(t_wall, UTC).isoformat(timespec="seconds")
