"""What the gate remarks while it walks, and the few findings that it makes of that.

A text can be wrong in thousands of places. To remark is cheap; what costs time, the search for the
name that was meant, is done for those alone that are shown.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from rewardgen.rewards.findings import Finding, Kind, more, shortened

MAX_FINDINGS = 10
MAX_CHOICES = 1000
ALL_LISTED = 40
"""How many names of features a message lists."""
# also of what is searched: to compare two names takes the product of their lengths
_LONGEST_NAME = 40
_ALIKE = 0.7


def _no_hint() -> str:
    return ""


@dataclass(frozen=True)
class Remark:
    """One finding in the making.

    Attributes:
        kind: see ``Finding``.
        rule: see ``Finding``.
        line: see ``Finding``.
        message: what is wrong, without the hint.
        remedy: what to do.
        hint: gives the end of the message; called only if it is shown.
    """

    kind: Kind
    rule: str
    line: int | None
    message: str
    remedy: str
    hint: Callable[[], str] = field(default=_no_hint, compare=False)


def remark(
    kind: Kind,
    rule: str,
    node: ast.AST,
    message: str,
    remedy: str,
    hint: Callable[[], str] = _no_hint,
) -> Remark:
    """Return a remark about a node."""
    return Remark(kind, rule, getattr(node, "lineno", None), message, remedy, hint)


def reported(remarks: Iterable[Remark]) -> list[Finding]:
    """Return the findings to show: the first by line, and how many there are besides."""
    ordered = sorted(dict.fromkeys(remarks), key=lambda each: each.line or 0)
    findings = [_finding(each) for each in ordered[:MAX_FINDINGS]]
    rest = ordered[MAX_FINDINGS:]
    if rest:
        message = f"and {len(rest):,} more findings, the next on line {rest[0].line}"
        remedy = "correct these first, then check again"
        findings.append(Finding("gate", rest[0].kind, "more", "error", None, message, remedy))
    return findings


def _finding(each: Remark) -> Finding:
    message, remedy = shortened(each.message + each.hint()), shortened(each.remedy)
    return Finding("gate", each.kind, each.rule, "error", each.line, message, remedy)


def shown(name: str) -> str:
    """Return a name of somebody else's choice as it may stand in a message."""
    return shortened(name, _LONGEST_NAME)


def near(name: str, choices: Iterable[str]) -> str:
    """Return the end of a message: the choice that was probably meant, if there is one."""
    if len(name) > _LONGEST_NAME:
        return ""
    short = sorted(choice for choice in choices if len(choice) <= _LONGEST_NAME)
    close = difflib.get_close_matches(name, short[:MAX_CHOICES], n=1, cutoff=_ALIKE)
    return f"; did you mean '{close[0]}'?" if close else ""


def near_of_all(name: str, choices: Iterable[str]) -> str:
    """Return the same, and the choices themselves as far as there is room."""
    names = sorted(choices)
    return f"{near(name, names) or '.'} Valid: {more(names, ALL_LISTED)}"
