"""Verdicts on candidates: in a few words, as failures for the designer, and as a reason."""

from __future__ import annotations

from rewardgen.analysis.feedback import Failure
from rewardgen.check.critic import STAGE as CRITIC
from rewardgen.store.parts import Finding
from rewardgen.store.payloads import CandidateChecked


def verdict(checked: CandidateChecked) -> str:
    """Return a verdict in a few words: with the first finding's rule and line."""
    if checked.verdict == "accepted" or not checked.findings:
        return checked.verdict
    first = _first(checked)
    line = "" if first.line is None else f", line {first.line}"
    return f"{checked.verdict}: {first.stage}, {first.rule}{line}"


def _first(checked: CandidateChecked) -> Finding:
    """Return the finding that a refusal rests on: the critic's comes after remarks of lint."""
    errors = [f for f in checked.findings if f.severity == "error" and f.stage == CRITIC]
    return errors[0] if errors else checked.findings[0]


def rejection(checked: CandidateChecked) -> str | None:
    """Return why a candidate is rejected, if the critic is against it."""
    if checked.findings and _first(checked).stage == CRITIC:
        return f"{CRITIC}: {_first(checked).message}"
    return None


def failures(checked: CandidateChecked) -> tuple[Failure, ...]:
    """Return the findings that a designer hears of."""
    return tuple(
        Failure(
            state="rejected",
            stage=finding.stage,
            rule=finding.rule,
            message=finding.message,
            line=finding.line,
            remedy=finding.remedy,
        )
        for finding in checked.findings
        if finding.severity != "info"
    )
