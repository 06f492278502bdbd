"""Findings: what a check has to say about a reward, for people and designers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rewardgen.store import parts
from rewardgen_envs.errors import UsageError

Kind = Literal["policy", "contract", "runtime"]
Severity = Literal["error", "warning", "info"]
_SEVERITIES: dict[str, Severity] = {"warning": "warning", "info": "info"}
MAX_TEXT = 600
"""So long may a message be, and a remedy: a designer pays for each character."""


@dataclass(frozen=True)
class Finding:
    """One remark of a check.

    Attributes:
        stage: which check: ``parse``, ``gate``, ``probe``, ``wrapper``, ``host``, ``lint`` or
            ``critic``.
        kind: ``policy`` (a construct that reward code may not use), ``contract`` (the
            format: names, signature, shapes; and what the task asks for) or ``runtime`` (what
            happened when it ran).
        rule: short identifier of the rule.
        severity: an ``error`` ends the candidate, a ``warning`` does not, an ``info`` asks for
            nothing.
        line: line of the reward's source, from 1; None where there is none.
        message: what is wrong, naming the culprit.
        remedy: what to do.
    """

    stage: str
    kind: Kind
    rule: str
    severity: Severity
    line: int | None
    message: str
    remedy: str

    def __str__(self) -> str:
        place = "" if self.line is None else f"line {self.line}: "
        remedy = f" ({self.remedy})" if self.remedy else ""
        return f"{place}{self.message} [{self.rule}]{remedy}"


def recorded(finding: Finding) -> parts.Finding:
    """Return a finding as it is stored and printed."""
    return parts.Finding(
        stage=finding.stage,
        kind=finding.kind,
        rule=finding.rule,
        severity=finding.severity,
        line=finding.line,
        message=finding.message,
        remedy=finding.remedy,
    )


def restored(finding: parts.Finding) -> Finding:
    """Return a stored finding."""
    return Finding(
        stage=finding.stage,
        kind=finding.kind,
        rule=finding.rule,
        severity=_SEVERITIES.get(finding.severity, "error"),
        line=finding.line,
        message=finding.message,
        remedy=finding.remedy,
    )


def shortened(text: str, longest: int = MAX_TEXT) -> str:
    """Return a text, or its beginning with a mark."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def more(items: Sequence[object], most: int) -> str:
    """Return items in a row; of many the first ones, and how many others there are."""
    if len(items) <= most:
        return ", ".join(map(str, items))
    return f"{', '.join(map(str, items[:most]))} and {len(items) - most:,} more"


class RewardCodeError(UsageError):
    """A reward's code cannot be used; carries the finding that says why."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(str(finding))
        self.finding = finding


class RefusedRewardError(Exception):
    """Reward files do not pass their check; the message lists what was found in each."""
