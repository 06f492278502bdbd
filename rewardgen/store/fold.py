"""How each event changes the state: one function per event type, registered in ``FOLDS``.

A fold function is total and repeatable in the sense that a resumed run needs: an event that
comes again (a rung started a second time) replaces what the first one said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from rewardgen.store import payloads as p
from rewardgen.store.errors import StoreError
from rewardgen.store.state import (
    CandidateState,
    IterationState,
    MemberState,
    RungState,
    RunState,
    TrialState,
    in_all,
)


class Event(NamedTuple):
    """One entry of the log.

    Attributes:
        seq: its number, from 1 without gaps.
        payload: what happened.
        t_wall: seconds since the epoch, for display only.
        t_mono: monotonic clock of the process that wrote it, in seconds.
    """

    seq: int
    payload: p.Payload
    t_wall: float
    t_mono: float

    @property
    def type(self) -> str:
        """Name of the event's type."""
        return p.EVENT_NAMES[type(self.payload)]


def fold(state: RunState, events: Iterable[Event]) -> RunState:
    """Apply events to a state, in place, and return it.

    Raises:
        StoreError: the events are not a run's: gaps, no start, or names never introduced.
    """
    for event in events:
        if event.seq != state.last_seq + 1:
            raise StoreError(f"event {event.seq} follows event {state.last_seq}")
        kind = type(event.payload)
        if (state.started is None) != (kind is p.RunStarted):
            raise StoreError(
                f"event {event.seq} is '{event.type}': a run starts with 'run_started', once"
            )
        try:
            FOLDS[kind](state, event.payload)
        except KeyError as error:
            raise StoreError(
                f"event {event.seq} ('{event.type}') refers to {error}, which no event introduced"
            ) from error
        _count_time(state, event)
        state.last_seq = event.seq
    return state


def _count_time(state: RunState, event: Event) -> None:
    """Add the time since the last event, unless another process wrote that one."""
    # compared, not isinstance: that takes longer than the whole rest of an event
    kind = type(event.payload)
    if kind is p.RunStarted:
        state.started_wall = event.t_wall
    elif kind is not p.Resumed and state.last_mono is not None:
        state.wall_s += max(0.0, event.t_mono - state.last_mono)
    state.last_mono = event.t_mono


def _run_started(state: RunState, payload: p.RunStarted) -> None:
    state.started = payload
    state.status = "running"
    state.isolation_applied = list(payload.isolation.applied)


def _inputs_stored(state: RunState, payload: p.InputsStored) -> None:
    state.inputs = payload


def _resumed(state: RunState, payload: p.Resumed) -> None:
    state.status = "running"
    state.reason = ""
    state.resumes.append(payload.manifest)


def _run_finished(state: RunState, payload: p.RunFinished) -> None:
    state.status = "done"


def _run_interrupted(state: RunState, payload: p.RunInterrupted) -> None:
    state.status = "interrupted"
    state.reason = payload.reason


def _run_failed(state: RunState, payload: p.RunFailed) -> None:
    state.status = "failed"
    state.reason = payload.reason


def _note(state: RunState, payload: p.Note) -> None:
    state.notes.append(payload.message)


def _artifacts_stored(state: RunState, payload: p.ArtifactsStored) -> None:
    state.artifacts.update((artifact.sha256, artifact) for artifact in payload.artifacts)


def _iteration_started(state: RunState, payload: p.IterationStarted) -> None:
    if payload.iteration not in state.iterations:
        state.iterations[payload.iteration] = IterationState(payload.iteration)


def _candidate_proposed(state: RunState, payload: p.CandidateProposed) -> None:
    iteration = state.iterations[payload.iteration]
    if payload.candidate not in iteration.candidates:
        iteration.candidates.append(payload.candidate)
    attempts: list[CandidateState] = []
    earlier = state.candidates.get(payload.candidate)
    if earlier is not None:
        attempts = [*earlier.attempts, earlier][: payload.attempt]
    state.candidates[payload.candidate] = CandidateState(payload, attempts=attempts)


def _feedback_given(state: RunState, payload: p.FeedbackGiven) -> None:
    if payload.id not in {given.id for given in state.human_feedback}:
        state.human_feedback.append(payload)


def _reply_received(state: RunState, payload: p.ReplyReceived) -> None:
    if payload.key not in state.replies:
        state.cost_usd += payload.cost_usd or 0.0
    state.replies[payload.key] = payload


def _parameter_refused(state: RunState, payload: p.ParameterRefused) -> None:
    if payload.parameter not in state.refused_parameters:
        state.refused_parameters.append(payload.parameter)


def _candidate_checked(state: RunState, payload: p.CandidateChecked) -> None:
    candidate = state.candidates[payload.candidate]
    candidate.check = payload
    if payload.verdict == "accepted" and candidate.state == "proposed":
        candidate.state = "accepted"


def _candidate_settled(state: RunState, payload: p.CandidateSettled) -> None:
    candidate = state.candidates[payload.candidate]
    candidate.state = payload.state
    candidate.reason = payload.reason


def _feedback_stored(state: RunState, payload: p.FeedbackStored) -> None:
    state.candidates[payload.candidate].feedback = payload


def _iteration_finished(state: RunState, payload: p.IterationFinished) -> None:
    state.iterations[payload.iteration].finished = payload


def _winner_selected(state: RunState, payload: p.WinnerSelected) -> None:
    state.winner = payload


def _trial_started(state: RunState, payload: p.TrialStarted) -> None:
    if payload.trial not in state.trials:
        members: dict[str, dict[int, MemberState]] = {arm.arm: {} for arm in payload.arms}
        state.trials[payload.trial] = TrialState(payload, members=members)


def _trial_finished(state: RunState, payload: p.TrialFinished) -> None:
    state.trials[payload.trial].finished = payload


def _rung_started(state: RunState, payload: p.RungStarted) -> None:
    earlier = state.rungs.get(payload.rung)
    deadlines = {} if earlier is None else earlier.deadlines
    state.rungs[payload.rung] = RungState(payload, deadlines=deadlines)


def _rung_finished(state: RunState, payload: p.RungFinished) -> None:
    rung = state.rungs[payload.rung]
    if rung.finished is not None:
        raise StoreError(f"rung '{payload.rung}' finished twice")
    rung.finished = payload
    state.env_steps += payload.env_steps
    if payload.isolation:  # else no reward host was needed
        earlier = state.isolation_applied or payload.isolation
        state.isolation_applied = list(in_all((payload.isolation, earlier)))
    for index, outcome in enumerate(payload.members):
        members = _members(state, rung, outcome.source)
        member = members.setdefault(outcome.seed, MemberState(outcome.seed))
        _train_member(member, payload, index)


def _members(state: RunState, rung: RungState, source: str) -> dict[int, MemberState]:
    if rung.started.trial is None:
        return state.candidates[source].members
    return state.trials[rung.started.trial].members[source]


def _train_member(member: MemberState, rung: p.RungFinished, index: int) -> None:
    outcome = rung.members[index]
    member.env_steps += outcome.env_steps
    member.curves.append((rung.curves, index))
    member.rungs.append(rung.rung)
    member.failure = outcome.failure
    if outcome.checkpoint is not None:
        member.checkpoint = outcome.checkpoint
        member.checkpoint_step = member.env_steps
    if outcome.fitness:
        member.fitness = dict(outcome.fitness)
        member.eval_seeds = rung.eval_seeds


def _job_finished(state: RunState, payload: p.JobFinished) -> None:
    if payload.job not in state.jobs:
        state.env_steps += payload.env_steps
    state.jobs[payload.job] = payload


def _deadline_fired(state: RunState, payload: p.DeadlineFired) -> None:
    state.rungs[payload.rung].deadlines[payload.source, payload.seed] = payload


def _video_rendered(state: RunState, payload: p.VideoRendered) -> None:
    state.videos[payload.source] = payload.video


FOLDS: dict[type[p.Payload], Callable[[RunState, Any], None]] = {
    p.RunStarted: _run_started,
    p.InputsStored: _inputs_stored,
    p.Resumed: _resumed,
    p.RunFinished: _run_finished,
    p.RunInterrupted: _run_interrupted,
    p.RunFailed: _run_failed,
    p.Note: _note,
    p.ArtifactsStored: _artifacts_stored,
    p.IterationStarted: _iteration_started,
    p.CandidateProposed: _candidate_proposed,
    p.FeedbackGiven: _feedback_given,
    p.ReplyReceived: _reply_received,
    p.ParameterRefused: _parameter_refused,
    p.CandidateChecked: _candidate_checked,
    p.CandidateSettled: _candidate_settled,
    p.FeedbackStored: _feedback_stored,
    p.IterationFinished: _iteration_finished,
    p.WinnerSelected: _winner_selected,
    p.TrialStarted: _trial_started,
    p.TrialFinished: _trial_finished,
    p.RungStarted: _rung_started,
    p.RungFinished: _rung_finished,
    p.JobFinished: _job_finished,
    p.DeadlineFired: _deadline_fired,
    p.VideoRendered: _video_rendered,
}
