"""The check of a Gymnasium environment with a feature map, and of its human reward."""

from __future__ import annotations

from collections.abc import Callable

import torch

from rewardgen.check.samples import Samples
from rewardgen.check.task import MADE_UP_ROWS, HumanReward, converted, human_reward
from rewardgen.rewards.findings import Finding
from rewardgen.rewards.format import RewardCode
from rewardgen.rewards.inline import InlineReward
from rewardgen.rewards.transitions import Transitions
from rewardgen_envs.adapters.mapped.checks import MappedSubject, check_map, raised
from rewardgen_envs.adapters.mapped.task import MappedTask


def check_mapped(task_class: Callable[[], MappedTask]) -> tuple[Finding, ...]:
    """Check a map and its human reward, if it names one; plays for some seconds, never trains.

    Args:
        task_class: the class, or any maker of equal and independent instances.
    """
    try:
        subject = MappedSubject(task_class)
    except Exception as error:
        return (converted(raised("environment", error)),)
    findings = [converted(finding) for finding in check_map(subject)]
    refused = any(finding.severity == "error" for finding in findings)
    path = subject.task.human_reward
    if not refused and path is not None:
        findings += human_reward(path, subject.task.table, lambda code: _played(subject, code))
    return tuple(findings)


def _played(subject: MappedSubject, code: RewardCode) -> HumanReward:
    """Return the reward with transitions of the environment's public features.

    Raises:
        EvaluationError: the module's code raised.
    """
    table, play = subject.task.table, subject.random
    public = table.public()

    def of(rows: torch.Tensor) -> Transitions:
        return Transitions(
            state=play.state[rows][:, : table.public_width],
            action=play.action[rows],
            next_state=play.next_state[rows][:, : table.public_width],
        )

    played = of(play.valid)
    endings = {"terminated": of(play.terminated)} if bool(play.terminated.any()) else {}
    given = [
        torch.arange(public.width)[public.columns(n)] for n in ("episode_time_s", "last_action")
    ]
    return HumanReward(
        InlineReward(code, table),
        played,
        played,
        Samples(table, subject.task.action).usual(MADE_UP_ROWS),
        endings,
        torch.cat(given),
    )
