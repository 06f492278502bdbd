"""What can happen in a run: one frozen type per event. Their union is the format of the log.

Artifacts are named by the sha256 of their bytes, so a reward's ``source`` is at once its
artifact and its hash. A change of any type here raises ``events.FORMAT_VERSION``.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, FiniteFloat, JsonValue

from rewardgen.store.parts import (
    ArmStatistics,
    Artifact,
    Comparison,
    Count,
    Data,
    FinalState,
    Finding,
    Isolation,
    Manifest,
    MemberKey,
    MemberOutcome,
    Sha256,
    TaskFacts,
    TrialArm,
    Verdict,
)


class Payload(Data):
    """What an event carries."""


# ---- life of a run


class RunStarted(Payload):
    """The first event of every run.

    Attributes:
        verb: the command that made it.
        command: what the user typed.
        config: the whole configuration.
        recipe: PPO settings, the same for every reward of the run.
        files: hash of the text of each file that the user gave; copies of them are kept later.
        budget_env_steps: environment steps that the plan comes to, if known.
    """

    verb: Literal["run", "train", "compare", "baseline"]
    command: tuple[str, ...]
    config: dict[str, JsonValue]
    task: TaskFacts
    recipe: dict[str, JsonValue]
    recipe_sha256: Sha256
    designer: str | None
    seed: Count
    isolation: Isolation
    manifest: Manifest
    files: dict[str, Sha256] = Field(default_factory=dict[str, Sha256])
    budget_env_steps: Count | None = None


class InputsStored(Payload):
    """What the user gave as files; the run needs those no more.

    Attributes:
        start: reward that the search starts from.
        fitness: the user's own fitness.
        transcript: what designer replay repeats.
    """

    start: Sha256 | None = None
    fitness: Sha256 | None = None
    transcript: Sha256 | None = None


class Resumed(Payload):
    """A process took the run up again; wall time counts from here."""

    command: tuple[str, ...]
    isolation: Isolation
    manifest: Manifest


class RunFinished(Payload):
    """All that was planned is done."""


class RunInterrupted(Payload):
    """Stopped on purpose (signal, time limit); can be resumed."""

    reason: str


class RunFailed(Payload):
    """Stopped by an error that is no reward's fault; can be resumed once it is mended."""

    reason: str


class Note(Payload):
    """Something a reader of the run should know; changes nothing."""

    message: str


class ArtifactsStored(Payload):
    """Immutable files became durable; one event for all that the next one names."""

    artifacts: tuple[Artifact, ...]


# ---- search


class IterationStarted(Payload):
    """A round of propose, train, feed back begins: what its designer is told is settled."""

    iteration: Count


class CandidateProposed(Payload):
    """A designer proposed a reward.

    Attributes:
        candidate: its id, unique in the run.
        slot: its place within the iteration.
        attempt: how many proposals for this slot came before.
        parents: ids of the candidates it was made from.
        source: artifact of the reward file.
        origin: how it was made, in the designer's words (``random``, ``mutation``, …).
        note: what the designer says about it.
        fault: why there is no reward to check, or None.
        wrapper: what is put around it, or whatever else was written for that, or None.
    """

    candidate: str
    iteration: Count
    slot: Count
    attempt: Count = 0
    parents: tuple[str, ...] = ()
    source: Sha256
    origin: str = ""
    note: str = ""
    fault: Finding | None = None
    wrapper: JsonValue = None


class FeedbackGiven(Payload):
    """A person said something; designers read it from this iteration on.

    Attributes:
        id: name of the note that it came in, unique in the run.
        iteration: the first iteration whose prompts hold it.
        candidate: the candidate it is about, or None.
        text: what was said.
    """

    id: str
    iteration: Count
    candidate: str | None = None
    text: str


class ReplyReceived(Payload):
    """A language model answered; recorded before anything is made of it.

    Attributes:
        key: what was asked, as a hash; a resumed run finds the answer by it.
        label: which candidate it was asked for, for people.
        request: artifact of the messages sent.
        reply: artifact of the answer.
        model: who answered.
        prompt_tokens: tokens sent.
        completion_tokens: tokens received, those of reasoning among them.
        cost_usd: what it cost; None if the model has no price.
        cached: whether it was known from an earlier run, and cost nothing.
        attempts: how often it was asked for.
        estimated: whether tokens or cost are an upper estimate, as the endpoint did not say.
    """

    key: Sha256
    label: str
    request: Sha256
    reply: Sha256
    model: str
    prompt_tokens: Count
    completion_tokens: Count
    cost_usd: FiniteFloat | None
    cached: bool = False
    attempts: Annotated[int, Field(ge=1)] = 1
    estimated: bool = False


class ParameterRefused(Payload):
    """An endpoint does not take a parameter, which the run does not send again."""

    parameter: str


class CandidateChecked(Payload):
    """The check of a candidate came to a verdict."""

    candidate: str
    verdict: Verdict
    findings: tuple[Finding, ...] = ()


class CandidateSettled(Payload):
    """A candidate reached a final state; a later one replaces it (evaluated → confirmed)."""

    candidate: str
    state: FinalState
    reason: str


class FeedbackStored(Payload):
    """What designers hear about a candidate: artifacts of the data and of its text."""

    candidate: str
    feedback: Sha256
    text: Sha256


class IterationFinished(Payload):
    """A round is over.

    Attributes:
        best: the best candidate so far.
        fitness: its fitness in the search.
        feedback: artifact of the text that the next round starts from.
    """

    iteration: Count
    best: str | None
    fitness: FiniteFloat | None
    feedback: Sha256 | None = None


class WinnerSelected(Payload):
    """The search chose whom to confirm; None if no candidate could be trained."""

    candidate: str | None
    fitness: FiniteFloat | None
    reason: str


# ---- training


PLAYOFF = "playoff"
"""Name of the trial that decides between the best candidates of a search."""


class TrialStarted(Payload):
    """Rewards are trained on seeds without racing (``confirm``, ``train``, …)."""

    trial: str
    arms: tuple[TrialArm, ...]
    seeds: tuple[Count, ...]
    env_steps: Count


class TrialFinished(Payload):
    """A trial's statistics."""

    trial: str
    arms: tuple[ArmStatistics, ...]
    comparisons: tuple[Comparison, ...] = ()


class RungStarted(Payload):
    """A population is handed to the executor; a resumed run may start a rung again.

    Attributes:
        rung: its id, unique in the run.
        trial: the trial it belongs to, or None in the search.
        iteration: the iteration it belongs to, or None in a trial.
        number: which rung in its members' lives this is.
        env_steps: budget per member.
        members: the population.
    """

    rung: str
    trial: str | None
    iteration: Count | None
    number: Count
    env_steps: Count
    members: tuple[MemberKey, ...]


class RungFinished(Payload):
    """A population was trained and evaluated.

    Attributes:
        members: in the order of the population.
        eval_seeds: evaluation episodes, the same for all members.
        curves: artifact: a JSON list with one mapping per member, quantity → one number (or
            null) per update; ``env_steps`` among the quantities.
        details: artifact with whatever else the executor knows.
        env_steps: environment steps spent by all members, evaluation included.
        wall_s: seconds it took, for display only.
        isolation: what took effect in all reward hosts; empty if there were none.
    """

    rung: str
    members: tuple[MemberOutcome, ...]
    eval_seeds: tuple[Count, ...]
    curves: Sha256
    details: Sha256 | None = None
    env_steps: Count
    wall_s: FiniteFloat
    isolation: tuple[str, ...] = ()


class JobFinished(Payload):
    """A job outside of rungs (a survey, a baseline's evaluation) gave its result.

    Attributes:
        job: its id, unique in the run; a repetition counts once.
        env_steps: environment steps it spent; they count against the budget.
        result: artifact of what it gave.
    """

    job: str
    env_steps: Count
    result: Sha256 | None = None


class DeadlineFired(Payload):
    """A reward answered too late; a resumed rung replays this instead of timing it again.

    Attributes:
        rung: the rung it happened in.
        source: name of the reward.
        call: number of the rollout that it scored too late, from 0.
        message: what was said about it.
        seed: of the first member that the reward's host served; None if it served them all.
    """

    rung: str
    source: str
    call: Count
    message: str
    seed: Count | None = None


class VideoRendered(Payload):
    """A video of a policy; ``source`` is a candidate's id or an arm's name."""

    source: str
    video: Sha256


PAYLOADS: dict[str, type[Payload]] = {
    "run_started": RunStarted,
    "inputs_stored": InputsStored,
    "resumed": Resumed,
    "run_finished": RunFinished,
    "run_interrupted": RunInterrupted,
    "run_failed": RunFailed,
    "note": Note,
    "artifacts_stored": ArtifactsStored,
    "iteration_started": IterationStarted,
    "candidate_proposed": CandidateProposed,
    "feedback_given": FeedbackGiven,
    "reply_received": ReplyReceived,
    "parameter_refused": ParameterRefused,
    "candidate_checked": CandidateChecked,
    "candidate_settled": CandidateSettled,
    "feedback_stored": FeedbackStored,
    "iteration_finished": IterationFinished,
    "winner_selected": WinnerSelected,
    "trial_started": TrialStarted,
    "trial_finished": TrialFinished,
    "rung_started": RungStarted,
    "rung_finished": RungFinished,
    "job_finished": JobFinished,
    "deadline_fired": DeadlineFired,
    "video_rendered": VideoRendered,
}
EVENT_NAMES: dict[type[Payload], str] = {kind: name for name, kind in PAYLOADS.items()}
