"""Transcripts: what was asked, answered and decided in a run, as one readable JSON file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, JsonValue, ValidationError

from rewardgen.store.artifacts import ArtifactReader
from rewardgen.store.errors import StoreError
from rewardgen.store.parts import Data, Finding
from rewardgen.store.payloads import RunStarted
from rewardgen.store.run_directory import RunSnapshot, find_run, read_run
from rewardgen.store.state import CandidateState
from rewardgen_envs.errors import UsageError


class Attempt(Data):
    """One version of a candidate."""

    source: str
    parents: tuple[str, ...]
    origin: str
    note: str
    fault: Finding | None = None
    wrapper: JsonValue = None


class RecordedCandidate(Data):
    """A candidate: its place, its versions (a repair is the second), and what became of it."""

    candidate: str
    iteration: int
    slot: int
    attempts: Annotated[tuple[Attempt, ...], Field(min_length=1)]
    state: str
    reason: str


class Exchange(Data):
    """A request to a language model and its answer; the artifacts' JSON."""

    label: str
    model: str
    request: JsonValue
    reply: JsonValue
    cost_usd: float | None


class Transcript(Data):
    """A run as designers, and readers, need it.

    Attributes:
        run: name of the run.
        designer: who proposed in it.
        task: its task.
        task_version: version of the task.
        scene_sha256: its scene.
        config: the run's configuration, without where it lay.
        start: the reward that it started from, or None.
        fitness: the user's own fitness file, or None.
        candidates: in the order of their proposal.
        exchanges: in the order of the answers.
        winner: what the search chose.
    """

    format: Literal[1] = 1
    run: str
    designer: str | None
    task: str
    task_version: int
    scene_sha256: str
    config: dict[str, JsonValue]
    start: str | None = None
    fitness: str | None = None
    candidates: tuple[RecordedCandidate, ...]
    exchanges: tuple[Exchange, ...] = ()
    winner: str | None


def read_transcript(reference: Path, runs_dir: Path) -> Transcript:
    """Return the transcript of a run (its name or folder), or one that was written to a file.

    Raises:
        UsageError: there is no such run or file, or it is no transcript.
        StoreError: the run cannot be read.
    """
    if reference.is_file():
        try:
            return Transcript.model_validate_json(reference.read_bytes())
        except ValidationError as error:
            first = error.errors()[0]
            place = "".join(f"{part}: " for part in first["loc"])
            raise UsageError(f"{reference} is no transcript: {place}{first['msg']}") from error
    return transcript(read_run(find_run(str(reference), runs_dir)))


def transcript(run: RunSnapshot) -> Transcript:
    """Return the transcript of a run.

    Raises:
        UsageError: it is a training, which has no candidates.
        StoreError: an artifact is missing or was changed.
    """
    started = run.state.started
    assert started is not None, "a snapshot is of a run that was begun"
    if started.verb != "run":
        raise UsageError(f"'{run.name}' is a training: it has no candidates to propose again")
    return _transcript(run, started)


def _transcript(run: RunSnapshot, started: RunStarted) -> Transcript:
    state, artifacts = run.state, run.artifacts
    return Transcript(
        run=run.name,
        designer=started.designer,
        task=started.task.name,
        task_version=started.task.version,
        scene_sha256=started.task.scene_sha256,
        config={k: v for k, v in started.config.items() if k not in ("name", "runs_dir")},
        start=_text(artifacts, None if state.inputs is None else state.inputs.start),
        fitness=_text(artifacts, None if state.inputs is None else state.inputs.fitness),
        candidates=tuple(_candidate(c, artifacts) for c in state.candidates.values()),
        exchanges=tuple(
            Exchange(
                label=reply.label,
                model=reply.model,
                request=_json(artifacts, reply.request),
                reply=_json(artifacts, reply.reply),
                cost_usd=reply.cost_usd,
            )
            for reply in state.replies.values()
        ),
        winner=None if state.winner is None else state.winner.candidate,
    )


def _candidate(candidate: CandidateState, artifacts: ArtifactReader) -> RecordedCandidate:
    last = candidate.proposal
    return RecordedCandidate(
        candidate=last.candidate,
        iteration=last.iteration,
        slot=last.slot,
        attempts=tuple(
            Attempt(
                source=artifacts.read_text(attempt.proposal.source),
                parents=attempt.proposal.parents,
                origin=attempt.proposal.origin,
                note=attempt.proposal.note,
                fault=attempt.proposal.fault,
                wrapper=attempt.proposal.wrapper,
            )
            for attempt in (*candidate.attempts, candidate)
        ),
        state=candidate.state,
        reason=candidate.reason,
    )


def _text(artifacts: ArtifactReader, artifact: str | None) -> str | None:
    return None if artifact is None else artifacts.read_text(artifact)


def _json(artifacts: ArtifactReader, artifact: str) -> JsonValue:
    """Return a stored JSON document.

    Raises:
        StoreError: it is none.
    """
    try:
        return json.loads(artifacts.read_text(artifact))
    except ValueError as error:
        raise StoreError(f"artifact {artifact} is no JSON") from error
