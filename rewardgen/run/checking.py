"""The check of a reward file, on request with the critic's second opinion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from pydantic import JsonValue

from rewardgen.check.evidence import Evidence, evidence_of
from rewardgen.check.pipeline import STAGES, CheckResult, check_reward
from rewardgen.config import DesignConfig, TrainConfig
from rewardgen.design.critic import critic_letter, opinion_findings
from rewardgen.isolation.host import HostOptions
from rewardgen.isolation.protection import Mode
from rewardgen.llm.keys import read_key
from rewardgen.llm.notebook import FileCache
from rewardgen.llm.prices import price_of
from rewardgen.llm.settings import EndpointSettings
from rewardgen.rewards.findings import Finding, recorded
from rewardgen.rewards.format import ParseError, read_source
from rewardgen.rewards.wrappers.catalogue import plain, wrapper_of
from rewardgen.run.context import task_context
from rewardgen.run.designers import REPLIES
from rewardgen.run.replies import ModelCorrespondent
from rewardgen.run.session import recipe_of
from rewardgen.store import parts
from rewardgen.store.records import CheckRecord
from rewardgen_envs.base_task import BaseTask
from rewardgen_envs.errors import UsageError
from rewardgen_envs.registry import any_task

_SEED = 0
_CRITIC = "critic"


def check(
    file: Path,
    task: str | None = None,
    *,
    stage: str | None = None,
    gate: bool = True,
    isolation: Mode = "standard",
    wrapper: object = None,
    critic: bool = False,
    endpoint: EndpointSettings | None = None,
    runs_dir: Path = Path("runs"),
    say: Callable[[str], None] = lambda _: None,
) -> CheckRecord:
    """Check a reward file without training.

    Args:
        file: reward file, or a reply with one fenced block.
        task: installed name or file:Class; may be left out for the gate alone.
        stage: run this stage alone; by default all but the critic.
        gate: whether the static gate is among them; without it the reward host stands alone.
        isolation: mode of the reward host.
        wrapper: what is put around it: a wrapper, or its name and parameters.
        critic: whether the critic is among them.
        endpoint: a language model that is asked for a second opinion, or None.
        runs_dir: where its replies are kept.
        say: tells people what happens.

    Raises:
        UsageError: the file cannot be read, the task is unknown, a stage needs a task, or a model
            is given that nobody asks.
        EndpointError: the endpoint does not answer.
    """
    stages = _stages(stage, gate=gate, critic=critic)
    if endpoint is not None:
        if _CRITIC not in stages:
            raise UsageError("a language model is asked by the critic alone: add --critic")
        read_key(endpoint)
        price_of(endpoint)
    loaded = None if task is None else any_task(task)
    try:
        text = read_source(file)
    except ParseError as error:  # what is wrong with the file is a finding like any other
        return CheckRecord(
            verdict="refused",
            findings=(recorded(error.finding),),
            isolation=parts.Isolation(mode=isolation, applied=()),
        )
    result = check_reward(
        text,
        None if loaded is None else loaded.table,
        None if loaded is None else loaded.action,
        stages=stages,
        options=HostOptions(mode=isolation),
        wrapper=wrapper,
        evidence=None if task is None or loaded is None else partial(_evidence, task, loaded),
    )
    if endpoint is None or loaded is None or result.code is None or result.verdict != "accepted":
        return _record(result, (), 0.0)
    replies = FileCache(runs_dir / REPLIES)
    around = None if wrapper is None else plain(wrapper_of(wrapper))
    said = _opinion(loaded, result, around, endpoint, replies, say)
    return _record(result, said, replies.spent_usd)


def _stages(stage: str | None, *, gate: bool, critic: bool) -> tuple[str, ...]:
    """Return the stages to run, in order.

    Raises:
        UsageError: nothing is left.
    """
    chosen = [name for name in STAGES if name != _CRITIC] if stage is None else [stage]
    if critic and _CRITIC not in chosen:
        chosen.append(_CRITIC)
    if not gate:
        chosen = [name for name in chosen if name != "gate"]
    if not chosen:
        raise UsageError("--gate off leaves nothing of --stage gate")
    return tuple(chosen)


def _evidence(name: str, task: BaseTask) -> Evidence:
    """Play a task as lint and critic want it."""
    gamma = recipe_of(task, TrainConfig(task=name)).gamma
    return evidence_of(lambda: any_task(name), gamma)


def _opinion(
    task: BaseTask,
    result: CheckResult,
    wrapper: JsonValue,
    endpoint: EndpointSettings,
    replies: FileCache,
    say: Callable[[str], None],
) -> tuple[Finding, ...]:
    """Return what a language model thinks of a reward."""
    from rewardgen.llm.client import Endpoint  # loads the SDK, which takes two seconds

    assert result.code is not None, "it was accepted"
    context = task_context(DesignConfig(task=task.name), task, count=1, seed=_SEED)
    source = result.code.source
    letter = critic_letter(context, 0, 0, source, result.findings, wrapper)
    replies.check()
    asked = Endpoint(endpoint, seed=_SEED, notebook=replies, say=say)
    (answer,) = ModelCorrespondent(asked, endpoint, _SEED, replies, say).ask([letter])
    return opinion_findings(answer, source)


def _record(result: CheckResult, said: Sequence[Finding], cost_usd: float) -> CheckRecord:
    against = any(finding.severity == "error" for finding in said)
    return CheckRecord(
        verdict="refused" if against else result.verdict,
        findings=tuple(recorded(finding) for finding in (*result.findings, *said)),
        isolation=parts.Isolation(mode=result.isolation.mode, applied=result.isolation.applied),
        cost_usd=cost_usd,
    )
