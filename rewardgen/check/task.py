"""The check of a task: the properties of its contract, then its human reward.

The human reward is tested on episodes of the task, played for the properties before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from rewardgen.check.gate import gate
from rewardgen.check.samples import Samples, take
from rewardgen.rewards.code import EvaluationError
from rewardgen.rewards.findings import Finding, Kind
from rewardgen.rewards.format import ParseError, RewardCode, read_reward
from rewardgen.rewards.inline import InlineReward
from rewardgen.rewards.transitions import Transitions
from rewardgen_envs.checks.compare import close
from rewardgen_envs.checks.episodes import varies
from rewardgen_envs.checks.finding import TaskFinding
from rewardgen_envs.checks.pipeline import check_subject, construct
from rewardgen_envs.checks.subject import Subject
from rewardgen_envs.features import FeatureTable
from rewardgen_envs.task import Task

STAGE = "human-reward"
MAX_ROWS = 16_384
MADE_UP_ROWS = 512


@dataclass(frozen=True)
class HumanReward:
    """A human reward and the transitions it is tested on.

    Attributes:
        source: the compiled reward.
        played: transitions of random play, which anybody's training starts with.
        unusual: transitions of displaced worlds.
        made_up: transitions that no simulation gave.
        endings: last steps of episodes, by the cause that ends them.
        given: columns of the features that no robot changes: time, last action, variables.
    """

    source: InlineReward
    played: Transitions
    unusual: Transitions
    made_up: Transitions
    endings: Mapping[str, Transitions]
    given: Tensor

    def on(self, transitions: Transitions) -> dict[str, Tensor]:
        """Return the reward and its terms by name, in words; the code may change its inputs."""
        given = take(transitions, torch.arange(len(transitions.state)))
        output = self.source.evaluate(given)
        return {"the reward": output.reward, **{f"term '{k}'": v for k, v in output.terms.items()}}

    @cached_property
    def values(self) -> dict[str, Tensor]:
        """Reward and terms of random play."""
        return self.on(self.played)


def check_task(task_class: Callable[[], Task]) -> tuple[Finding, ...]:
    """Check a task and its human reward; simulates for some seconds, never trains.

    Args:
        task_class: the class, or any maker of equal and independent instances.
    """
    subject = construct(task_class)
    if isinstance(subject, TaskFinding):
        return (converted(subject),)
    checked = check_subject(subject)
    findings = [converted(finding) for finding in checked.findings]
    path = subject.task.human_reward
    if checked.playable and path is not None and path.is_file():
        table = subject.task.table
        findings += human_reward(path, table, lambda code: _on_episodes(subject, code))
    return tuple(findings)


def converted(finding: TaskFinding) -> Finding:
    """Return a remark about a task in the words of all checks."""
    return Finding(
        stage=finding.stage,
        kind=finding.kind,
        rule=finding.rule,
        severity=finding.severity,
        line=finding.line,
        message=finding.message,
        remedy=finding.remedy,
    )


def human_reward(
    path: Path, table: FeatureTable, played: Callable[[RewardCode], HumanReward]
) -> list[Finding]:
    """Parse, gate and run a human reward; the first stage with an error ends it.

    Args:
        path: its file.
        table: features of the task.
        played: gives it transitions to be tested on.
    """
    try:
        code = read_reward(path)
    except ParseError as error:
        return [replace(error.finding, stage=STAGE)]
    refused = [replace(finding, stage=STAGE) for finding in gate(code, table)]
    if any(finding.severity == "error" for finding in refused):
        return refused
    findings = list(refused)
    try:
        reward = played(code)
        for test in TESTS.values():
            found = list(test(reward))
            findings += found
            if found:
                break
    except EvaluationError as error:
        findings.append(replace(error.finding, stage=STAGE))
    return findings


def _on_episodes(subject: Subject, code: RewardCode) -> HumanReward:
    """Return the reward with transitions of the task's public features.

    Raises:
        EvaluationError: the module's code raised.
    """
    table = subject.task.table
    samples: list[Transitions] = []
    for play in (subject.random, subject.kicked):
        rows = (play.valid & play.physical).flatten().nonzero()[:, 0]
        if len(rows) > MAX_ROWS:
            rows = rows[torch.linspace(0, len(rows) - 1, MAX_ROWS).long()]
        samples.append(
            Transitions(
                state=play.state.flatten(0, 1)[rows, : table.public_width],
                action=play.action.flatten(0, 1)[rows],
                next_state=play.next_state.flatten(0, 1)[rows, : table.public_width],
            )
        )
    made_up = Samples(table, subject.task.action).usual(MADE_UP_ROWS)
    return HumanReward(
        InlineReward(code, table),
        samples[0],
        samples[1],
        made_up,
        _endings(subject),
        _given(subject),
    )


def _endings(subject: Subject) -> dict[str, Transitions]:
    width = subject.task.table.public_width
    return {
        ending.cause: Transitions(
            ending.state[:, :width], ending.action, ending.next_state[:, :width]
        )
        for ending in subject.endings
    }


def _given(subject: Subject) -> Tensor:
    """Return the columns of public features that no robot changes."""
    public = subject.task.table.public()
    variables = [v.name for v in subject.task.variables if v.name in public]
    names = ("episode_time_s", "last_action", *variables)
    return torch.cat([torch.arange(public.width)[public.columns(name)] for name in names])


def _deterministic(reward: HumanReward) -> Iterator[Finding]:
    again = reward.on(reward.played)
    for name, values in reward.values.items():
        if name not in again or not torch.equal(values.nan_to_num(), again[name].nan_to_num()):
            yield _finding(
                "determinism",
                f"{name} differs between two calls with the same transitions",
                "use no random numbers and keep no state between calls",
            )
            return


def _row_wise(reward: HumanReward) -> Iterator[Finding]:
    count = len(reward.played.state)
    backwards = torch.arange(count - 1, -1, -1)
    for rows in (backwards, torch.arange(3)):
        part = reward.on(take(reward.played, rows))
        for name, values in reward.values.items():
            if name not in part or not close(values[rows], part[name]):
                yield _finding(
                    "row-wise",
                    f"{name} of a transition depends on the other transitions of the batch",
                    "reduce along dim=-1 only; no mean, max or normalization over the batch",
                )
                return


def _finite(reward: HumanReward) -> Iterator[Finding]:
    tested = {"": reward.played, " of displaced worlds": reward.unusual}
    tested |= {f" that '{cause}' ends": last for cause, last in reward.endings.items()}
    for which, transitions in tested.items():
        # a term first: it is the cause, the reward only its sum
        for name, value in reversed(reward.on(transitions).items()):
            broken = int((~value.isfinite()).sum())
            if broken:
                yield _finding(
                    "not-finite",
                    f"{name} is not finite in {broken} of {len(value)} transitions{which}",
                    "bound exponents, clamp what is divided by or taken the root or logarithm of",
                    kind="runtime",
                )
                return


def _varies(reward: HumanReward) -> Iterator[Finding]:
    """Nothing may be constant; a term that pays for a rare event may not have been seen to pay."""
    unusual, made_up = reward.on(reward.unusual), reward.on(reward.made_up)
    for name, values in reward.values.items():
        if bool(varies(torch.cat([values, unusual.get(name, values)]).unsqueeze(1))[0]):
            continue
        whole = name == "the reward"
        finding = _finding(
            "reward-constant" if whole else "term-constant",
            f"{name} is {float(values[0]):g} in every transition met: it pays for nothing",
            "pay for what the task wants, with features of next_state",
        )
        rare = not whole and bool(varies(made_up.get(name, values).unsqueeze(1))[0])
        yield replace(finding, severity="warning") if rare else finding


def _pays_for_states(reward: HumanReward) -> Iterator[Finding]:
    """The same times and actions in other states must give another reward somewhere."""
    played = reward.played
    state, next_state = (x.roll(len(x) // 2, 0) for x in (played.state, played.next_state))
    state[:, reward.given] = played.state[:, reward.given]
    next_state[:, reward.given] = played.next_state[:, reward.given]
    other = reward.on(Transitions(state, played.action, next_state))
    if close(reward.values["the reward"], other["the reward"]):
        yield _finding(
            "ignores-state",
            "the reward depends on action, time and variables alone: it pays for nothing that the "
            "robot achieves",
            "pay for what the task wants, with features of next_state",
        )


# in order; the first that finds something ends the check of the reward
TESTS: dict[str, Callable[[HumanReward], Iterator[Finding]]] = {
    "determinism": _deterministic,
    "row-wise": _row_wise,
    "finite": _finite,
    "varies": _varies,
    "states": _pays_for_states,
}


def _finding(rule: str, message: str, remedy: str, *, kind: Kind = "contract") -> Finding:
    return Finding(STAGE, kind, rule, "error", None, message, remedy)
