"""The templates of reports and cards, and how numbers are written in them."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from rewardgen.report import numbers, text

TEMPLATES = Path(__file__).parent / "templates"


def environment(*, html: bool) -> Environment:
    """Return what renders a template.

    Args:
        html: whether what is filled in is escaped.
    """
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for write in (
        numbers.number,
        numbers.significant,
        numbers.signed,
        numbers.interval,
        numbers.percent,
        numbers.percent_interval,
        numbers.count,
        numbers.duration,
        numbers.memory,
        numbers.unit,
        numbers.usd,
        text.cell,
        text.wrapping,
    ):
        made.filters[write.__name__] = write
    return made
