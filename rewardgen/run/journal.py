"""The search's view of a run directory: what is recorded already, and how to record more."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from statistics import fmean

from pydantic import JsonValue

from rewardgen.analysis.feedback import Feedback
from rewardgen.analysis.reflection import to_text
from rewardgen.design.designer import Proposal, Tried
from rewardgen.rewards.findings import Finding, restored
from rewardgen.rewards.findings import recorded as as_recorded
from rewardgen.rungs.jobs import Columns, LateAnswer, RewardRef, TrainJob
from rewardgen.rungs.rung import Curves, Place, RungOutcome
from rewardgen.store import parts
from rewardgen.store import payloads as p
from rewardgen.store.feedback_notes import read_notes
from rewardgen.store.run_directory import RunDirectory
from rewardgen_envs.metrics import Metric

_SURVEY = "survey"
_RESERVE_BYTES = 64 * 2**20
_MEMBER_BYTES = 2 * 2**20  # checkpoint and curves, twice: in the job's folder and in the store


def rung_name(iteration: int, rung: int) -> str:
    """Return how a rung of the search is called; both count from 0."""
    return f"iteration-{iteration + 1}-rung-{rung + 1}"


@dataclass(frozen=True)
class CandidateEntry:
    """A candidate as recorded.

    Attributes:
        candidate: its id.
        iteration: when it was proposed.
        slot: its place in the iteration.
        source: its reward code.
        state: ``proposed``, ``accepted`` or a final state.
        parents: ids of the candidates it was made from.
        attempt: 0, or 1 after a repair.
        fault: what is wrong with the reply that it comes from, or None.
        wrapper: what is put around it, as its designer named it, or None.
    """

    candidate: str
    iteration: int
    slot: int
    source: str
    state: str
    parents: tuple[str, ...]
    attempt: int = 0
    fault: Finding | None = None
    wrapper: JsonValue = None


class RunJournal:
    """Records a run; implements the rungs' ``Journal``.

    Args:
        directory: the run, open for writing.
    """

    def __init__(self, directory: RunDirectory) -> None:
        self._directory = directory
        # candidate → how it stood when it was told, and what was told
        self._told: dict[str, tuple[tuple[str, ...], Tried]] = {}

    # ---- rungs

    def finished(self, key: str) -> RungOutcome | None:
        """Return the recorded outcome of a rung, or None."""
        rung = self._directory.state.rungs.get(key)
        if rung is None or rung.finished is None or rung.finished.details is None:
            return None
        return RungOutcome.model_validate_json(self._text(rung.finished.details))

    def begin(self, key: str, place: Place, job: TrainJob) -> None:
        """Note that a rung is handed to the executor.

        Raises:
            StoreFullError: its checkpoints might not fit; better now than after the training.
        """
        self._directory.require_free_space(_RESERVE_BYTES + len(job.members) * _MEMBER_BYTES)
        self._directory.append(
            p.RungStarted(
                rung=key,
                trial=place.trial,
                iteration=place.iteration,
                number=job.rung,
                env_steps=job.env_steps,
                members=tuple(
                    parts.MemberKey(source=job.rewards[m.reward].name, seed=m.seed)
                    for m in job.members
                ),
            )
        )

    def late(self, key: str, rewards: Sequence[RewardRef]) -> tuple[LateAnswer, ...]:
        """Return the deadlines that fired in earlier attempts at a rung."""
        rung = self._directory.state.rungs.get(key)
        fired = () if rung is None else rung.deadlines.values()
        index = {reward.name: i for i, reward in enumerate(rewards)}
        return tuple(
            LateAnswer(
                reward=index[event.source], call=event.call, message=event.message, seed=event.seed
            )
            for event in fired
        )

    def record_late(self, key: str, source: str, answer: LateAnswer) -> None:
        """Record that a reward of a rung missed a deadline."""
        self._directory.append(
            p.DeadlineFired(
                rung=key,
                source=source,
                call=answer.call,
                message=answer.message,
                seed=answer.seed,
            )
        )

    def record(self, key: str, job: TrainJob, outcome: RungOutcome) -> None:
        """Record the outcome of a rung."""
        details = self._put(outcome.model_dump_json(), f"{key}.json", "application/json")
        self._directory.append(
            p.RungFinished(
                rung=key,
                members=tuple(
                    parts.MemberOutcome(
                        source=job.rewards[m.reward].name,
                        seed=m.seed,
                        env_steps=m.env_steps,
                        checkpoint=m.checkpoint,
                        failure=m.failure,
                        fitness=m.episodes.fitness if m.episodes is not None else {},
                    )
                    for m in outcome.members
                ),
                eval_seeds=outcome.eval_seeds,
                curves=outcome.curves,
                details=details,
                env_steps=outcome.env_steps,
                wall_s=outcome.wall_s,
                isolation=outcome.isolation,
            )
        )

    def keep_file(self, path: Path) -> str:
        """Store a file as an artifact and return its id."""
        return self._directory.artifacts.put_file(path, media_type="application/octet-stream")

    def keep_curves(self, curves: Sequence[Curves]) -> str:
        """Store the curves of all members and return the artifact's id."""
        text = json.dumps(list(curves), allow_nan=False)
        return self._put(text, "curves.json", "application/json")

    def artifact_path(self, artifact: str) -> Path:
        """Return where an artifact lies."""
        return self._directory.artifacts.path(artifact)

    def curves(self, artifact: str) -> list[Curves]:
        """Return stored curves, one mapping per member."""
        return json.loads(self._text(artifact))

    # ---- survey

    def survey(self) -> Columns | None:
        """Return the recorded statistics of the features under random actions, or None."""
        job = self._directory.state.jobs.get(_SURVEY)
        if job is None or job.result is None:
            return None
        return json.loads(self._text(job.result))

    def record_survey(self, columns: Columns, env_steps: int) -> None:
        """Record the statistics of the features under random actions."""
        text = json.dumps(columns, allow_nan=False)
        result = self._put(text, f"{_SURVEY}.json", "application/json")
        self._directory.append(p.JobFinished(job=_SURVEY, env_steps=env_steps, result=result))

    def record_prefilter(self, iteration: int, env_steps: int) -> None:
        """Record, once, what the transitions took that candidates of an iteration are judged on."""
        name = _prefilter(iteration)
        if name not in self._directory.state.jobs:
            self._directory.append(p.JobFinished(job=name, env_steps=env_steps))

    # ---- candidates

    def entry(self, name: str) -> CandidateEntry:
        """Return a candidate by its id."""
        recorded = self._directory.state.candidates[name]
        proposal = recorded.proposal
        return CandidateEntry(
            candidate=name,
            iteration=proposal.iteration,
            slot=proposal.slot,
            source=self._text(proposal.source),
            state=recorded.state,
            parents=proposal.parents,
            attempt=proposal.attempt,
            fault=None if proposal.fault is None else restored(proposal.fault),
            wrapper=proposal.wrapper,
        )

    def proposals(self, iteration: int) -> list[CandidateEntry] | None:
        """Return the candidates of an iteration, or None if none were asked for yet."""
        recorded = self._directory.state.iterations.get(iteration)
        if recorded is None or not recorded.candidates:
            return None
        return [self.entry(name) for name in recorded.candidates]

    def record_proposals(
        self, iteration: int, proposals: Sequence[Proposal]
    ) -> list[CandidateEntry]:
        """Record what a designer proposed, in one transaction."""
        names = [f"c{iteration + 1}-{slot + 1}" for slot in range(len(proposals))]
        self._directory.append(
            *(
                self._proposed(proposal, name, iteration, slot)
                for slot, (name, proposal) in enumerate(zip(names, proposals, strict=True))
            ),
        )
        return [self.entry(name) for name in names]

    def record_repairs(
        self, repairs: Sequence[tuple[CandidateEntry, Proposal]]
    ) -> list[CandidateEntry]:
        """Record what a designer made of refused candidates, in one transaction."""
        self._directory.append(
            *(
                self._proposed(
                    replace(proposal, parents=entry.parents),
                    entry.candidate,
                    entry.iteration,
                    entry.slot,
                    attempt=entry.attempt + 1,
                )
                for entry, proposal in repairs
            )
        )
        return [self.entry(entry.candidate) for entry, _ in repairs]

    def _proposed(
        self, proposal: Proposal, name: str, iteration: int, slot: int, attempt: int = 0
    ) -> p.CandidateProposed:
        return p.CandidateProposed(
            candidate=name,
            iteration=iteration,
            slot=slot,
            attempt=attempt,
            parents=proposal.parents,
            source=self._put(proposal.source, f"{name}.py", "text/x-python"),
            origin=proposal.origin,
            note=proposal.note,
            fault=None if proposal.fault is None else as_recorded(proposal.fault),
            wrapper=proposal.wrapper,
        )

    def history(self, before: int | None = None) -> tuple[Tried, ...]:
        """Return the candidates as designers are told about them, oldest first.

        Args:
            before: only those of iterations before this one; None for all.
        """
        return tuple(
            self._tried(name)
            for name, recorded in self._directory.state.candidates.items()
            if before is None or recorded.proposal.iteration < before
        )

    def _tried(self, name: str) -> Tried:
        """Return a candidate as designers are told about it; its files are read once."""
        recorded = self._directory.state.candidates[name]
        feedback = recorded.feedback
        stands = (
            recorded.proposal.source,
            recorded.state,
            "" if feedback is None else feedback.feedback,
        )
        known = self._told.get(name)
        if known is not None and known[0] == stands:
            return known[1]
        entry = self.entry(name)
        tried = Tried(
            candidate=name,
            iteration=entry.iteration,
            source=entry.source,
            state=entry.state,
            feedback=self.feedback(name),
            parents=entry.parents,
            wrapper=entry.wrapper,
        )
        self._told[name] = (stands, tried)
        return tried

    def human_feedback(self, iteration: int) -> tuple[str, ...]:
        """Return what people said before an iteration was proposed, oldest first."""
        return tuple(
            said.text if said.candidate is None else f"About {said.candidate}: {said.text}"
            for said in self._directory.state.human_feedback
            if said.iteration <= iteration
        )

    def begin_iteration(self, iteration: int) -> int:
        """Record, once, that an iteration begins, and what people have left in the run's folder.

        What they leave from then on is for the next one, also if this is interrupted before its
        proposals are recorded: the same is asked again, and answers that came are still answers.

        Returns:
            How many remarks were new.
        """
        state = self._directory.state
        if iteration in state.iterations:
            return 0
        known = {said.id for said in state.human_feedback}
        new = [note for note in read_notes(self._directory.path) if note.id not in known]
        self._directory.append(
            *(
                p.FeedbackGiven(
                    id=note.id, iteration=iteration, candidate=note.candidate, text=note.text
                )
                for note in new
            ),
            p.IterationStarted(iteration=iteration),
        )
        return len(new)

    def finished_iterations(self) -> list[p.IterationFinished]:
        """Return how the iterations that are over ended, oldest first."""
        recorded = self._directory.state.iterations.values()
        ended = (iteration.finished for iteration in recorded)
        return [finished for finished in ended if finished is not None]

    def scores_of_earlier(self, iteration: int, rung: int, metric: Metric) -> list[float]:
        """Return the scores after one rung of all candidates of earlier iterations that ran it.

        Higher is better; candidates with a failed member are left out.
        """
        scores: list[float] = []
        for earlier in range(iteration):
            state = self._directory.state.rungs.get(rung_name(earlier, rung))
            members = () if state is None or state.finished is None else state.finished.members
            for _, group in groupby(members, key=lambda member: member.source):
                own = list(group)
                if all(member.failure is None for member in own):
                    points = [x for member in own for x in member.fitness[metric.name]]
                    scores.append(metric.sign * fmean(points))
        return scores

    def checkpoints(self, candidate: str) -> tuple[str, ...]:
        """Return the artifacts of a candidate's policies after its last rung of the search."""
        members = self._directory.state.candidates[candidate].members.values()
        return tuple(m.checkpoint for m in members if m.checkpoint is not None)

    def check(self, candidate: str) -> p.CandidateChecked | None:
        """Return the recorded verdict on a candidate, or None."""
        return self._directory.state.candidates[candidate].check

    def record_check(self, checked: p.CandidateChecked) -> None:
        """Record the verdict on a candidate."""
        self._directory.append(checked)

    def settle(
        self,
        candidate: str,
        state: parts.FinalState,
        reason: str,
        summarize: Callable[[], Feedback],
    ) -> None:
        """Record how a candidate ended, once, and what designers hear about it.

        Args:
            candidate: its id.
            state: how it ended.
            reason: why.
            summarize: makes the feedback; not called where a resumed run has recorded it.
        """
        if self._directory.state.candidates[candidate].state == state:
            return
        feedback = summarize()
        data = self._put(feedback.model_dump_json(), f"{candidate}.json", "application/json")
        text = self._put(to_text(feedback), f"{candidate}.txt", "text/plain")
        self._directory.append(
            p.FeedbackStored(candidate=candidate, feedback=data, text=text),
            p.CandidateSettled(candidate=candidate, state=state, reason=reason),
        )

    def confirm(self, candidate: str, reason: str) -> None:
        """Record that a candidate was confirmed."""
        if self._directory.state.candidates[candidate].state != "confirmed":
            self._directory.append(
                p.CandidateSettled(candidate=candidate, state="confirmed", reason=reason)
            )

    def feedback(self, candidate: str) -> Feedback:
        """Return what is known about a candidate."""
        stored = self._directory.state.candidates[candidate].feedback
        if stored is None:
            return Feedback()
        return Feedback.model_validate_json(self._text(stored.feedback))

    # ---- iterations and winner

    def finish_iteration(self, iteration: int, best: str | None, fitness: float | None) -> None:
        """Record the end of an iteration, once."""
        recorded = self._directory.state.iterations.get(iteration)
        if recorded is not None and recorded.finished is not None:
            return
        stored = None if best is None else self._directory.state.candidates[best].feedback
        self._directory.append(
            p.IterationFinished(
                iteration=iteration,
                best=best,
                fitness=fitness,
                feedback=None if stored is None else stored.text,
            )
        )

    def select_winner(self, candidate: str | None, fitness: float | None, reason: str) -> None:
        """Record the search's choice, once."""
        if self._directory.state.winner is None:
            self._directory.append(
                p.WinnerSelected(candidate=candidate, fitness=fitness, reason=reason)
            )

    def env_steps_before(self, iteration: int) -> int:
        """Return the environment steps spent before an iteration, the survey included.

        Only what earlier iterations spent counts, so that a resumed run decides as the
        undisturbed one did.
        """
        later = {_prefilter(number) for number in self._directory.state.iterations}
        later -= {_prefilter(number) for number in range(iteration)}
        jobs = self._directory.state.jobs.items()
        spent = sum(job.env_steps for name, job in jobs if name not in later)
        for rung in self._directory.state.rungs.values():
            place = rung.started.iteration
            if rung.finished is not None and place is not None and place < iteration:
                spent += rung.finished.env_steps
        return spent

    # ---- trials

    def start_trial(self, trial: p.TrialStarted) -> None:
        """Record the plan of a trial, once."""
        if trial.trial not in self._directory.state.trials:
            self._directory.append(trial)

    def finish_trial(self, trial: p.TrialFinished) -> None:
        """Record the statistics of a trial, once."""
        if self._directory.state.trials[trial.trial].finished is None:
            self._directory.append(trial)

    def keep_source(self, name: str, source: str) -> str:
        """Store a reward's source and return the artifact's id."""
        return self._put(source, f"{name}.py", "text/x-python")

    # ---- internals

    def _text(self, artifact: str) -> str:
        return self._directory.artifacts.read_text(artifact)

    def _put(self, text: str, name: str, media_type: str) -> str:
        return self._directory.artifacts.put_text(text, name=name, media_type=media_type)


def _prefilter(iteration: int) -> str:
    return f"prefilter {iteration + 1}"
