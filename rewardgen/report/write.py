"""Writes the report of a run into its directory."""

from __future__ import annotations

from pathlib import Path

from rewardgen.report.names import FIGURES_NAME, HTML_NAME, MARKDOWN_NAME
from rewardgen.report.render import render
from rewardgen.store.atomic import clear_errors, write_file
from rewardgen.store.run_directory import read_run
from rewardgen.store.show import show_record


def write_report(path: Path) -> Path:
    """Write page, Markdown and figures of a run; return the path of the page.

    Args:
        path: the run's directory; the run may be unfinished, or being written.

    Raises:
        RunNotFoundError: there is no run.
        StoreError: an artifact is damaged, or the files cannot be written.
    """
    run = read_run(path)
    report = render(show_record(run), run.artifacts)
    figures = path / FIGURES_NAME
    with clear_errors(figures):
        figures.mkdir(exist_ok=True)
    for name, svg in report.figures.items():
        write_file(figures / f"{name}.svg", svg)
    write_file(path / MARKDOWN_NAME, report.markdown.encode())
    write_file(path / HTML_NAME, report.html.encode())
    return path / HTML_NAME
