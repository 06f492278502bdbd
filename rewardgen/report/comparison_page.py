"""The report of a comparison: one self-contained page, its numbers as JSON, figures with tables."""

from __future__ import annotations

import base64
from pathlib import Path

from markupsafe import Markup

from rewardgen.report.compare_plots import drawings
from rewardgen.report.comparison_text import NAMES, idle_terms, top_term
from rewardgen.report.environment import TEMPLATES, environment
from rewardgen.report.names import COMPARISON_HTML, COMPARISON_JSON, FIGURES_NAME
from rewardgen.report.outcome import runs
from rewardgen.store.atomic import clear_errors, write_file
from rewardgen.store.compare_records import CompareRecord

_CAPTIONS = {
    "distances": "How differently rewards rank policies: 0 the same, 1 the opposite; near ones "
    "adjoin. Between 0.1 and 0.9 a distance says nothing about which is better.",
    "shares": "What ranks policies, by term; a negative share works against the rest.",
    "profile": "Share of the runs of each reward that reach more than a fitness, with 95 % bands "
    "where there are ten runs.",
    "waterfall": "Fitness after each rung of the race. These numbers chose who went on.",
}


def comparison_html(record: CompareRecord) -> str:
    """Return the page; names and messages were written by others and are escaped."""
    figures = drawings(record)
    images = {
        name: f"data:image/svg+xml;base64,{base64.b64encode(drawn.svg).decode()}"
        for name, drawn in figures.items()
    }
    page: dict[str, object] = {
        "css": Markup((TEMPLATES / "style.css").read_text(encoding="utf-8")),
        "record": record,
        "images": images,
        "captions": _CAPTIONS,
        "names": NAMES,
        "top_term": top_term,
        "idle_terms": idle_terms,
        "runs_of": runs,
        "confirmed": {each.arm: each for each in record.confirmed},
        "raced": {reward.name: reward for reward in record.rewards},
    }
    return environment(html=True).get_template("comparison.html.j2").render(page)


def write_comparison(record: CompareRecord, folder: Path) -> Path:
    """Write page, JSON, and every figure with its table; return the path of the page.

    Raises:
        StoreError: the files cannot be written.
    """
    figures = folder / FIGURES_NAME
    with clear_errors(figures):
        figures.mkdir(parents=True, exist_ok=True)
    for name, drawn in drawings(record).items():
        write_file(figures / f"{name}.svg", drawn.svg)
        write_file(figures / f"{name}.csv", drawn.table.encode())
    write_file(folder / COMPARISON_JSON, (record.model_dump_json(indent=1) + "\n").encode())
    write_file(folder / COMPARISON_HTML, comparison_html(record).encode())
    return folder / COMPARISON_HTML
