"""A figure with the numbers that it is drawn from."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rewardgen.report.plots import PALETTE

COLOURS = (*PALETTE, "#0072B2", "#D55E00", "#F0E442")
"""Of Okabe and Ito, for figures with more lines than a report's."""

Cell = str | float | None


@dataclass(frozen=True)
class Drawn:
    """A figure.

    Attributes:
        svg: the picture.
        table: its numbers, as CSV.
    """

    svg: bytes
    table: str


def colour_of(place: int) -> str:
    """Return the colour of a line; they recur when there are more."""
    return COLOURS[place % len(COLOURS)]


def csv_text(rows: Iterable[Sequence[Cell]]) -> str:
    """Return rows as CSV; None as an empty cell."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerows(["" if cell is None else cell for cell in row] for row in rows)
    return stream.getvalue()
