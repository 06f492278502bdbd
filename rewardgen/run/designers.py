"""Makes the designer that a configuration names, with what it needs of the run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from rewardgen.config import ConfigError, DesignConfig, GenerateConfig, RunConfig
from rewardgen.design.correspond import WritingDesigner
from rewardgen.design.designer import Designer, Proposal
from rewardgen.design.evolve import EvolveDesigner
from rewardgen.design.mailbox import POLL_S, Mailbox
from rewardgen.design.replay import ReplayDesigner
from rewardgen.design.transcript import Transcript, read_transcript
from rewardgen.llm.keys import read_key
from rewardgen.llm.notebook import FileCache
from rewardgen.llm.prices import price_of
from rewardgen.rewards.fitness import FitnessCode
from rewardgen.rewards.format import read_source, reply_code
from rewardgen.run.pausing import pause_if_late
from rewardgen.run.preflight import check_start, own_fitness
from rewardgen.run.replies import ModelCorrespondent, RunNotebook
from rewardgen.run.resumption import check_same_files
from rewardgen.run.session import Session
from rewardgen.store import payloads as p
from rewardgen.store.run_directory import RunDirectory
from rewardgen_envs.base_task import BaseTask
from rewardgen_envs.errors import UsageError

Say = Callable[[str], None]
"""Tells people something."""

REPLIES = ".replies"
"""Where replies of language models are kept, within the folder of runs."""
_MANUAL = "manual"


@dataclass(frozen=True)
class Brief:
    """What a run's designing starts from, read and checked before the run exists.

    Attributes:
        transcript: what designer replay repeats, or None.
        start: a reward to train first, or None.
        fitness: the user's own fitness, or None for the task's.
    """

    transcript: Transcript | None = None
    start: Proposal | None = None
    fitness: FitnessCode | None = None


def brief(config: RunConfig, task: BaseTask) -> Brief:
    """Read what the configuration refers to, and try what the designer needs, but for a key.

    Raises:
        UsageError: a flag is missing or has no use, a file cannot be read, the endpoint's price is
            missing.
        RefusedRewardError: the reward to start from does not pass its check.
        HostUnavailable: no reward host can be started to check it.
    """
    check_endpoint(config)
    recorded = None
    if config.designer == "replay":
        if config.from_ is None:
            raise ConfigError("designer replay needs a run to repeat: give --from RUN")
        recorded = read_transcript(config.from_, config.runs_dir)
        if recorded.task != task.name:
            raise UsageError(
                f"the transcript of '{recorded.run}' is of task '{recorded.task}', not "
                f"'{task.name}'"
            )
        if config.samples != (samples := recorded.config.get("samples", config.samples)):
            raise ConfigError(
                f"designer replay proposes what '{recorded.run}' did, {samples} candidates per "
                "iteration: leave --samples out"
            )
        if not recorded.candidates:
            raise UsageError(f"'{recorded.run}' ended before a candidate: there is none to replay")
        start, fitness = recorded.config.get("start"), recorded.config.get("fitness")
        if config.start == start and str(config.fitness) == str(fitness):  # its own files
            return Brief(
                recorded,
                None if recorded.start is None else _start(recorded.start, str(start)),
                None if recorded.fitness is None else FitnessCode(recorded.fitness),
            )
    elif config.from_ is not None:
        raise ConfigError(f"--from is for designer replay, not {config.designer}")
    start = start_reward(config.start, task)
    # a human reward that is wrapped has to return what the wrapper takes
    if start is not None and (config.start != "human" or config.wrapper is not None):
        check_start(config, task, start.source)
    return Brief(recorded, start, own_fitness(config))


def check_endpoint(config: DesignConfig) -> None:
    """Refuse an endpoint that cannot be used as configured.

    Raises:
        UsageError: no model, no price, or a model that nobody would ask.
    """
    if config.model is not None and config.designer in ("evolve", "manual"):
        raise ConfigError(f"--model is for designer llm, not {config.designer}: add --designer llm")
    settings = config.endpoint
    if settings is not None:
        price_of(settings)


def check_key(config: DesignConfig) -> None:
    """Refuse to ask an endpoint without its key.

    Raises:
        KeyMissingError: it needs one, and there is none that could be used.
    """
    if config.endpoint is not None:
        read_key(config.endpoint)


def start_reward(start: str | None, task: BaseTask) -> Proposal | None:
    """Return the reward that a search or a generation starts from.

    Raises:
        UsageError: the file cannot be read or holds no reward.
    """
    if start is None:
        return None
    path = task.human_reward if start == "human" else Path(start)
    if path is None:
        raise ConfigError(
            f"task '{task.name}' has no human reward to start from, but its environment's own, "
            "whose text nobody has: name a reward file"
        )
    return _start(reply_code(read_source(path)), start)


def _start(source: str, origin: str) -> Proposal:
    return Proposal(source=source, origin=origin, note="where the search starts")


def given_texts(config: RunConfig, made: Brief) -> dict[str, str]:
    """Return the text of each file that a run was given, by the name it was given by."""
    texts = {
        str(config.start): None if made.start is None else made.start.source,
        str(config.fitness): None if made.fitness is None else made.fitness.source,
        str(config.from_): None
        if made.transcript is None
        else made.transcript.model_dump_json(indent=1),
    }
    return {name: text for name, text in texts.items() if text is not None}


def keep_inputs(directory: RunDirectory, made: Brief) -> None:
    """Store what a run was given as files, so that it needs them no more."""

    def stored(text: str | None, name: str, media_type: str = "text/x-python") -> str | None:
        if text is None:
            return None
        return directory.artifacts.put_text(text, name=name, media_type=media_type)

    recorded = None if made.transcript is None else made.transcript.model_dump_json(indent=1)
    directory.append(
        p.InputsStored(
            start=stored(None if made.start is None else made.start.source, "start.py"),
            fitness=stored(None if made.fitness is None else made.fitness.source, "fitness.py"),
            transcript=stored(recorded, "transcript.json", "application/json"),
        )
    )


def kept_inputs(directory: RunDirectory, config: RunConfig, task: BaseTask) -> Brief:
    """Return what a run was given, from the run itself, or once more from the files.

    Raises:
        UsageError: it was killed before the files were stored, and they cannot be read again or
            have changed; or the endpoint's key or price is missing.
        StoreError: an artifact is missing or was changed.
    """
    check_key(config)
    kept = directory.state.inputs
    if kept is None:
        made = brief(config, task)
        assert directory.state.started is not None
        check_same_files(directory.state.started, given_texts(config, made))
        return made
    check_endpoint(config)
    read = directory.artifacts.read_text
    transcript = kept.transcript
    return Brief(
        None if transcript is None else Transcript.model_validate_json(read(transcript)),
        None if kept.start is None else _start(read(kept.start), config.start or ""),
        None if kept.fitness is None else FitnessCode(read(kept.fitness)),
    )


def designer_of(config: RunConfig, session: Session, recorded: Transcript | None) -> Designer:
    """Return the designer of a run."""
    directory = session.directory
    match config.designer:
        case "evolve":
            return EvolveDesigner()
        case "replay":
            assert recorded is not None, "the brief holds it"
            return ReplayDesigner(recorded)
        case "manual":
            folder = directory.path / _MANUAL
            return WritingDesigner("manual", Mailbox(folder, session.display.note, _wait(session)))
        case "llm":
            return _model_designer(config, RunNotebook(directory), _noted(session), _sleep(session))


def designer_alone(config: GenerateConfig, replies: FileCache, say: Say) -> Designer:
    """Return a designer that works without a run.

    Args:
        config: which one, and how it is reached.
        replies: where replies are kept and counted.
        say: tells people what happens.
    """
    match config.designer:
        case "llm":
            return _model_designer(config, replies, say)
        case "manual":
            return WritingDesigner("manual", Mailbox(config.out / _MANUAL, say))
        case _:
            return EvolveDesigner()


def cache_of(config: DesignConfig) -> FileCache:
    """Return where replies are kept for the next time that the same is asked."""
    return FileCache(config.runs_dir / REPLIES)


def _model_designer(
    config: DesignConfig,
    notebook: RunNotebook | FileCache,
    say: Say,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> WritingDesigner:
    """Return a designer that asks a model.

    Raises:
        StoreError: its replies could not be kept.
    """
    settings = config.endpoint
    assert settings is not None, "the configuration names designer llm"
    from rewardgen.llm.client import Endpoint  # loads the SDK, which takes two seconds

    files = notebook if isinstance(notebook, FileCache) else cache_of(config)
    files.check()
    endpoint = Endpoint(
        settings,
        seed=config.seed,
        notebook=notebook,
        say=say,
        cache=None if files is notebook else files,
        sleep=sleep,
    )
    return WritingDesigner(
        "llm", ModelCorrespondent(endpoint, settings, config.seed, notebook, say)
    )


def _wait(session: Session) -> Callable[[], None]:
    """Return what a mailbox does between two looks: it stops where the time is over."""

    def wait() -> None:
        pause_if_late(session.deadline)
        time.sleep(POLL_S)

    return wait


def _sleep(session: Session) -> Callable[[float], Awaitable[None]]:
    """Return how an endpoint waits: no longer than the run may take."""

    async def sleep(seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0.0:
            pause_if_late(session.deadline)
            await asyncio.sleep(min(left, POLL_S))

    return sleep


def _noted(session: Session) -> Say:
    """Return how an endpoint speaks: people see it, and the run keeps it."""

    def say(text: str) -> None:
        session.display.note(text)
        if text not in session.directory.state.notes:
            session.directory.append(p.Note(message=text))

    return say
