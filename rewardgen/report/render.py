"""Renders a run as ``report.md`` and one self-contained ``report.html``.

Everything comes from the run's record and its artifacts. Code, messages and names in a run
were written by others: all of it is escaped, and the page forbids scripts and the network.
"""

from __future__ import annotations

import base64
import json
import shlex
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from rewardgen.analysis.statistics import FEW
from rewardgen.report import code, numbers, plots, text
from rewardgen.report.curves import Band, CurveReader
from rewardgen.report.outcome import (
    HUMAN,
    WINNER,
    Outcome,
    against,
    ancestors,
    arm,
    candidate,
    outcome,
    ranking,
    reference,
    runs,
)
from rewardgen.store.artifacts import ArtifactReader
from rewardgen.store.records import ArmRecord, CandidateRecord, ImprovementRecord, ShowRecord

_TEMPLATES = Path(__file__).parent / "templates"
# learning curves of a run without arms: of its best candidates
_SHOWN_CANDIDATES = 5


@dataclass(frozen=True)
class Report:
    """A rendered run.

    Attributes:
        html: the page, with everything inside.
        markdown: the same for a terminal or a code host; figures by relative path.
        figures: name → SVG.
    """

    html: str
    markdown: str
    figures: dict[str, bytes]


@dataclass(frozen=True)
class ArmRow:
    """One line of the comparison.

    Attributes:
        record: the arm.
        over: its comparison with the reference, or None.
        points: mean fitness of every run, lowest first.
    """

    record: ArmRecord
    over: ImprovementRecord | None
    points: list[float]

    @property
    def few(self) -> bool:
        """Whether all points are to be shown beside the interval."""
        return 0 < len(self.points) < FEW


@dataclass(frozen=True)
class Ancestor:
    """One step of the winner's lineage, with what changed since its first parent."""

    record: CandidateRecord
    changes_html: Markup
    changes: str


@dataclass(frozen=True)
class Video:
    """A video, as a data URI."""

    source: str
    uri: str


def render(record: ShowRecord, artifacts: ArtifactReader) -> Report:
    """Render a run.

    Raises:
        StoreError: an artifact is missing or was changed.
    """
    figures = _figures(record, artifacts)
    result = outcome(record)
    winner = candidate(record, record.winner)
    over = reference(record.arms)
    shared: dict[str, object] = {
        "run": record,
        "outcome": result,
        "metric": ranking(record),
        "rows": [_row(a, over) for a in record.arms],
        "over": over,
        "winner": winner,
        "runs_of": runs,
        "lineage": [] if winner is None else _lineage(record, winner),
        "command": shlex.join(record.command),
        "config": json.dumps(record.config, indent=2, ensure_ascii=False),
        "recipe": json.dumps(record.recipe, indent=2, ensure_ascii=False),
        "figures": sorted(figures),
    }
    page: dict[str, object] = {
        "css": Markup((_TEMPLATES / "style.css").read_text(encoding="utf-8")),
        "code_css": Markup(code.code_css()),
        "tone": _tone(result),
        "images": {name: _data_uri("image/svg+xml", svg) for name, svg in figures.items()},
        "videos": _videos(record, artifacts),
        "python_html": code.python_html,
    }
    return Report(
        html=_environment(html=True).get_template("report.html.j2").render({**shared, **page}),
        markdown=_environment(html=False)
        .get_template("report.md.j2")
        .render({**shared, "fence": text.fence}),
        figures=figures,
    )


def _environment(*, html: bool) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for write in (
        numbers.number,
        numbers.signed,
        numbers.interval,
        numbers.percent,
        numbers.percent_interval,
        numbers.count,
        numbers.duration,
        numbers.memory,
        numbers.unit,
        text.cell,
    ):
        environment.filters[write.__name__] = write
    return environment


def _figures(record: ShowRecord, artifacts: ArtifactReader) -> dict[str, bytes]:
    metric = ranking(record)
    human = arm(record, HUMAN)
    figures: dict[str, bytes] = {}
    if any(plots.run_means(a) for a in record.arms):
        figures["arms"] = plots.arms(record.arms, metric)
    bands = _bands(record, artifacts)
    if bands:
        figures["learning"] = plots.learning_curves(bands, metric)
    if any(c.fitness is not None for c in record.candidates):
        reference = None if human is None else human.iqm
        figures["search"] = plots.search(record.iterations, record.candidates, metric, reference)
    return figures


def _bands(record: ShowRecord, artifacts: ArtifactReader) -> list[Band]:
    """Return the learning curves of all arms; before there are any, of the best candidates."""
    metric = ranking(record)
    sign = 1.0 if metric.direction == "higher" else -1.0
    groups = [(a.arm, a.members) for a in record.arms if a.members]
    if not groups:
        scored = [(c.fitness * sign, c) for c in record.candidates if c.fitness is not None]
        scored.sort(key=lambda pair: -pair[0])
        groups = [(c.id, c.members) for _, c in scored[:_SHOWN_CANDIDATES]]
    reader = CurveReader(artifacts)
    found = [reader.band(name, members, f"fitness/{metric.name}") for name, members in groups]
    return [band for band in found if band is not None]


def _row(record: ArmRecord, over: str | None) -> ArmRow:
    compared = None if over is None else against(record, over)
    return ArmRow(record, compared, sorted(plots.run_means(record)))


def _lineage(record: ShowRecord, winner: CandidateRecord) -> list[Ancestor]:
    steps: list[Ancestor] = []
    for step in ancestors(record, winner.id):
        parent = candidate(record, step.parents[0]) if step.parents else None
        before = None if parent is None else parent.source
        steps.append(
            Ancestor(
                step,
                Markup("") if before is None else code.diff_html(before, step.source),
                "" if before is None else code.unified_diff(before, step.source),
            )
        )
    return steps


def _videos(record: ShowRecord, artifacts: ArtifactReader) -> list[Video]:
    order = {WINNER: 0, HUMAN: 1}
    sources = sorted(record.videos, key=lambda name: (order.get(name, 2), name))
    return [
        Video(source, _data_uri("video/mp4", artifacts.read_bytes(record.videos[source])))
        for source in sources
    ]


def _tone(result: Outcome) -> str:
    return {"better": "good", "trained": "good", "worse": "bad", "nothing": "bad"}.get(
        result.kind, "open"
    )


def _data_uri(media_type: str, data: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"
