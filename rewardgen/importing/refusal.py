"""What an import has against a file, as findings."""

from __future__ import annotations

import ast

from rewardgen.rewards.findings import Finding, Kind, RewardCodeError, shortened


class ImportRefused(RewardCodeError):
    """The file cannot be rewritten; carries the finding."""


def finding(
    rule: str, node: ast.AST | None, message: str, remedy: str, kind: Kind = "contract"
) -> Finding:
    """Return a finding about the imported file; its line is that file's."""
    line: int | None = getattr(node, "lineno", None)
    return Finding("import", kind, rule, "error", line, shortened(message), shortened(remedy))
