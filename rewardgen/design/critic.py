"""The critic's second opinion: a language model reads a reward beside its task.

One call per version of a candidate (the critic of Li et al., "Auto MC-Reward", 2024). Its answer
has one form; one that cannot be read, or that nobody gave, refuses nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    model_validator,
)

from rewardgen.design.designer import DesignContext
from rewardgen.design.letters import Answer, Letter
from rewardgen.design.prompting import critic_messages
from rewardgen.rewards.findings import Finding, Severity, shortened

STAGE = "critic"
MOST_ISSUES = 10
_FENCED = re.compile(r"\A```(?:json)?[ \t]*\n(.*?)\n?```\Z", re.S)
_NEEDED = '{"ok": bool, "issues": [{"line": int or null, "problem": str, "remedy": str}]}'


class Issue(BaseModel):
    """One thing that a critic finds wrong."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    line: int | None = None
    problem: str = Field(min_length=1)
    remedy: str = ""


class Opinion(BaseModel):
    """What a critic answers.

    Attributes:
        ok: whether the reward may be trained on.
        issues: what is wrong, the gravest first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    ok: bool
    issues: Annotated[tuple[Issue, ...], Field(strict=False, max_length=MOST_ISSUES)]

    @model_validator(mode="after")
    def _has_reasons(self) -> Opinion:
        if not self.ok and not self.issues:
            raise ValueError("ok is false, but there is no issue")
        return self


class OpinionError(ValueError):
    """An answer is no opinion; says why."""


def critic_letter(
    context: DesignContext,
    slot: int,
    attempt: int,
    source: str,
    findings: Sequence[Finding],
    wrapper: JsonValue = None,
) -> Letter:
    """Return the letter that asks for an opinion about a candidate.

    Args:
        context: the task, as the designer knows it.
        slot: the candidate's place in the iteration.
        attempt: how many versions came before.
        source: the reward.
        findings: what was measured about it.
        wrapper: what is put around it, or None.
    """
    repaired = "-repair" if attempt else ""
    name = f"c{context.iteration + 1}-{slot + 1}{repaired}-critic"
    label = f"iteration-{context.iteration + 1}/{name}"
    sample = context.iteration * context.count + slot
    measured = [f"{f.severity}: {f.message}" for f in findings]
    messages = critic_messages(context, source, measured, MOST_ISSUES, wrapper)
    return Letter(label, sample, tuple(messages))


def read_opinion(text: str) -> Opinion:
    """Read an answer: one JSON object, alone or in one fenced block.

    Raises:
        OpinionError: it is anything else.
    """
    text = text.strip()
    fenced = _FENCED.match(text)
    try:
        return Opinion.model_validate_json(fenced.group(1) if fenced else text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise OpinionError(f"{place}: {first['msg']}" if place else first["msg"]) from error


def opinion_findings(answer: Answer | None, source: str) -> tuple[Finding, ...]:
    """Return a critic's answer as findings.

    Args:
        answer: what came; None if nobody was asked.
        source: the reward.
    """
    if answer is None:
        return (_unread("the language model was not asked: the reward goes on without its review"),)
    try:
        opinion = read_opinion(answer.text)
    except OpinionError as error:
        return (
            _unread(
                "the language model's review is not of the form asked for, and the reward goes on "
                f"without it: {error}"
            ),
        )
    severity: Severity = "info" if opinion.ok else "error"
    lines = len(source.splitlines())
    return tuple(_finding(issue, severity, lines) for issue in opinion.issues)


def _finding(issue: Issue, severity: Severity, lines: int) -> Finding:
    inside = issue.line is not None and 1 <= issue.line <= lines
    return Finding(
        STAGE,
        "contract",
        "model-review",
        severity,
        issue.line if inside else None,
        shortened(_one_line(issue.problem)),
        shortened(_one_line(issue.remedy)),
    )


def _unread(message: str) -> Finding:
    remedy = f"nothing is asked of the reward; the form is {_NEEDED}"
    return Finding(STAGE, "contract", "no-review", "info", None, shortened(message), remedy)


def _one_line(text: str) -> str:
    return " ".join(text.split())
