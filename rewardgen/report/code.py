"""Reward code as HTML: highlighted, and compared with its parent's."""

from __future__ import annotations

import difflib

from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import DiffLexer, PythonLexer

_LIGHT, _DARK = "friendly", "github-dark"


def code_css() -> str:
    """Return the style sheet of highlighted code, for light and dark pages."""
    light, dark = (_formatter(style).get_style_defs(".code") for style in (_LIGHT, _DARK))
    return f"{light}\n@media screen and (prefers-color-scheme: dark) {{\n{dark}\n}}"


def python_html(source: str) -> Markup:
    """Return Python code as HTML; whatever it holds is escaped."""
    return Markup(highlight(source, PythonLexer(), _formatter()))


def diff_html(before: str, after: str) -> Markup:
    """Return what changed between two sources as HTML; empty if nothing did."""
    text = unified_diff(before, after)
    return Markup(highlight(text, DiffLexer(), _formatter())) if text else Markup("")


def unified_diff(before: str, after: str) -> str:
    """Return the changed lines with three around them, without file names."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=3)
    return "\n".join([*lines][2:])


def _formatter(style: str = _LIGHT) -> HtmlFormatter:
    return HtmlFormatter(style=style, cssclass="code")
