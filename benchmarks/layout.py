"""How tables of results look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Figures = Sequence[dict[str, Any]]
"""Figures of the latest line of each part of a benchmark."""


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def interval(ends: Sequence[float] | None, digits: int = 2) -> str:
    """Return an interval as text."""
    if not ends:
        return "-"
    return f"[{ends[0]:,.{digits}f}, {ends[1]:,.{digits}f}]"
