"""The check of one reward: stages that take a parsed reward and yield findings.

Cheap stages come first and the first error ends the check: nothing is run that is already known
to fail. What is put around a reward is part of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Literal

from rewardgen.check.critic import critic
from rewardgen.check.evidence import Evidence
from rewardgen.check.gate import gate
from rewardgen.check.lint import lint
from rewardgen.check.probe import probe
from rewardgen.check.review import Review
from rewardgen.check.reviewer import Reviewer
from rewardgen.check.wrapping import fit, refused
from rewardgen.isolation.host import HostOptions, HostPool
from rewardgen.isolation.protection import Mode, offered
from rewardgen.isolation.session import HostFailure
from rewardgen.rewards.findings import Finding
from rewardgen.rewards.format import ParseError, RewardCode
from rewardgen.rewards.transitions import Transitions
from rewardgen.rewards.wrappers.catalogue import Wrapper, WrapperError, wrapper_of
from rewardgen_envs.errors import UsageError
from rewardgen_envs.features import FeatureTable
from rewardgen_envs.names import nearest
from rewardgen_envs.task import BoxAction, DiscreteAction

Verdict = Literal["accepted", "refused", "failed"]


@dataclass(frozen=True)
class Isolation:
    """What protected this machine while the reward ran; nothing is applied if nothing ran."""

    mode: Mode
    applied: tuple[str, ...] = ()


@dataclass(frozen=True)
class CheckResult:
    """The outcome of a check.

    Attributes:
        verdict: ``refused``: it breaks a rule of the format or the policy; ``failed``: it ran and
            crashed, hung or gave numbers that are not finite; else ``accepted``.
        findings: what there is to say, errors and warnings.
        isolation: what protected this machine.
        code: the parsed reward, None if the text holds none.
    """

    verdict: Verdict
    findings: tuple[Finding, ...]
    isolation: Isolation
    code: RewardCode | None


@dataclass(frozen=True)
class CheckContext:
    """What stages may use beside the reward.

    Attributes:
        table: features of the task; None if there is no task.
        action: its action space.
        hosts: where the reward may run.
        transitions: rows of earlier rollouts, if there are any.
        wrapper: what is put around the reward, if anything is.
        reviewer: asks the reward about states of the task; None if nothing is known of them.
    """

    table: FeatureTable | None
    action: BoxAction | DiscreteAction | None
    hosts: HostPool
    transitions: Transitions | None
    wrapper: Wrapper | None
    reviewer: Reviewer | None


Stage = Callable[[RewardCode, CheckContext], list[Finding]]


def _gate_stage(code: RewardCode, context: CheckContext) -> list[Finding]:
    return gate(code, context.table)


def _probe_stage(code: RewardCode, context: CheckContext) -> list[Finding]:
    if context.table is None or context.action is None:
        raise UsageError(
            "the probe needs a task: its features and actions. Name one with --task NAME, or ask "
            "for the gate alone with --stage gate"
        )
    host = context.hosts.open(code, context.table)
    try:
        return probe(host, context.table, context.action, context.transitions)
    finally:
        host.close()


def _wrapper_stage(code: RewardCode, context: CheckContext) -> list[Finding]:
    if context.wrapper is None or context.table is None or context.action is None:
        return []
    host = context.hosts.open(code, context.table)
    try:
        return fit(host, context.table, context.action, context.wrapper)
    finally:
        host.close()


def _lint_stage(code: RewardCode, context: CheckContext) -> list[Finding]:
    return _reviewed("lint", lint, code, context)


def _critic_stage(code: RewardCode, context: CheckContext) -> list[Finding]:
    return _reviewed("critic", critic, code, context)


def _reviewed(
    stage: str,
    judge: Callable[[Review], list[Finding]],
    code: RewardCode,
    context: CheckContext,
) -> list[Finding]:
    if context.reviewer is None:
        raise UsageError(
            f"the stage '{stage}' needs a task, whose states the reward is tried on. Name one "
            "with --task NAME"
        )
    try:
        findings = judge(context.reviewer.review(code))
    except HostFailure as error:
        return [replace(error.finding, stage=stage)]
    if context.wrapper is None:
        return findings
    # what is around the code may make something else of its total and terms
    return [replace(f, severity="warning") if f.severity == "error" else f for f in findings]


STAGES: dict[str, Stage] = {
    "gate": _gate_stage,
    "probe": _probe_stage,
    "wrapper": _wrapper_stage,
    "lint": _lint_stage,
    "critic": _critic_stage,
}
ON_STATES = frozenset({"lint", "critic"})
"""Stages that need evidence about the task."""
NOT_ON_STATES = tuple(name for name in STAGES if name not in ON_STATES)


def check_reward(
    reward: str | RewardCode,
    table: FeatureTable | None = None,
    action: BoxAction | DiscreteAction | None = None,
    *,
    stages: Sequence[str] = NOT_ON_STATES,
    hosts: HostPool | None = None,
    options: HostOptions | None = None,
    transitions: Transitions | None = None,
    wrapper: object = None,
    evidence: Callable[[], Evidence] | None = None,
) -> CheckResult:
    """Check one reward.

    Args:
        reward: text of a file or reply, or a parsed reward.
        table: features of the task; may be left out if only the gate is asked for.
        action: its action space; needed by the probe.
        stages: names of stages, in order.
        hosts: a running pool; by default one is started for this check.
        options: of the pool that is started if none is given.
        transitions: rows of earlier rollouts of the task.
        wrapper: what is put around it, by name and parameters; None for nothing.
        evidence: finds out what there is to know of the task's states, which takes seconds; needed
            by lint and critic, and called only for a reward that passes the stages before them.

    Raises:
        UsageError: unknown stage, or a stage lacks what it needs.
        HostUnavailable: no reward host can be started on this machine.
    """
    chosen = [_stage(name) for name in stages]
    with ExitStack() as stack:
        if hosts is None:
            hosts = stack.enter_context(HostPool(_possible(options or HostOptions(), chosen)))
        try:
            code = reward if isinstance(reward, RewardCode) else hosts.read(reward)
        except ParseError as error:
            return CheckResult("refused", (error.finding,), Isolation(hosts.options.mode), None)
        try:
            around = None if wrapper is None else wrapper_of(wrapper)
        except WrapperError as error:
            return CheckResult("refused", (refused(error),), Isolation(hosts.options.mode), code)
        started = hosts.started
        reviewer = None
        if evidence is not None:
            reviewer = stack.enter_context(Reviewer(hosts, evidence))
        context = CheckContext(table, action, hosts, transitions, around, reviewer)
        findings: list[Finding] = []
        for stage in chosen:
            findings += stage(code, context)
            if any(finding.severity == "error" for finding in findings):
                break
        applied = hosts.applied if hosts.started > started else ()
    isolation = Isolation(hosts.options.mode, applied)
    return CheckResult(_verdict(findings), tuple(findings), isolation, code)


def _possible(options: HostOptions, stages: Sequence[Stage]) -> HostOptions:
    """Return what every system can do, if nothing is run but the parser."""
    if any(stage is not _gate_stage for stage in stages) or offered() != "none":
        return options
    return replace(options, mode="none")


def _stage(name: str) -> Stage:
    if name not in STAGES:
        raise UsageError(f"unknown stage '{name}'{nearest(name, STAGES)}")
    return STAGES[name]


def _verdict(findings: Sequence[Finding]) -> Verdict:
    kinds = {finding.kind for finding in findings if finding.severity == "error"}
    if not kinds:
        return "accepted"
    return "failed" if kinds == {"runtime"} else "refused"
