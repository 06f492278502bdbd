"""Writes the report of a run into its directory."""

from __future__ import annotations

from pathlib import Path

from rewardgen.report.analyses import stored_analyses
from rewardgen.report.names import FIGURES_NAME, HTML_NAME, MARKDOWN_NAME
from rewardgen.report.render import render
from rewardgen.store.atomic import clear_errors, write_file
from rewardgen.store.records import RunStateName
from rewardgen.store.run_directory import read_run
from rewardgen.store.show import show_record


def write_report(path: Path, state: RunStateName | None = None) -> Path:
    """Write page, Markdown and figures of a run; return the path of the page.

    Args:
        path: the run's directory; the run may be unfinished, or being written.
        state: what the report says of the run; by default the run's state now. The report of a
            finished run is written before its end is recorded, so that no stop can lose it.

    Raises:
        RunNotFoundError: there is no run.
        StoreError: an artifact is damaged, or the files cannot be written.
    """
    run = read_run(path)
    record = show_record(run)
    if state is not None:
        record = record.model_copy(update={"state": state})
    report = render(record, run.artifacts, stored_analyses(path, record))
    figures = path / FIGURES_NAME
    with clear_errors(figures):
        figures.mkdir(exist_ok=True)
    for name, svg in report.figures.items():
        write_file(figures / f"{name}.svg", svg)
    write_file(path / MARKDOWN_NAME, report.markdown.encode())
    write_file(path / HTML_NAME, report.html.encode())
    return path / HTML_NAME
