"""Text that others wrote (designers, rewards, tasks), made harmless where it is shown."""

from __future__ import annotations

import json

from pydantic import JsonValue

from rewardgen.store.parts import Finding

_MARKDOWN = "\\|`*_<["
_CONTROLS = {code: "\N{REPLACEMENT CHARACTER}" for code in (*range(32), *range(127, 160))}
_TERMINAL = {code: mark for code, mark in _CONTROLS.items() if code not in (ord("\n"), ord("\t"))}


def printable(text: str) -> str:
    """Return text without the characters that command a terminal; lines and tabs stay."""
    return text.translate(_TERMINAL)


def finding_text(file: str, finding: Finding) -> str:
    """Return a finding about a reward file: where and what, then what to do."""
    place = "" if finding.line is None else f":{finding.line}"
    text = f"{file}{place}: {finding.severity} [{finding.rule}] {finding.message}"
    return printable(f"{text}\n    {finding.remedy}" if finding.remedy else text)


def wrapping(wrapper: JsonValue) -> str:
    """Return what is put around a reward: name and parameters, as a configuration has them."""
    return wrapper if isinstance(wrapper, str) else json.dumps(wrapper, ensure_ascii=False)


def cell(text: str) -> str:
    """Return text for a line of Markdown or a cell of its tables: nothing in it is markup."""
    plain = " ".join(text.split())
    for special in _MARKDOWN:
        plain = plain.replace(special, f"\\{special}")
    return plain


def fence(source: str) -> str:
    """Return a Markdown fence that nothing in the source can close."""
    longest = 0
    run = 0
    for character in source:
        run = run + 1 if character == "`" else 0
        longest = max(longest, run)
    return "`" * max(3, longest + 1)
