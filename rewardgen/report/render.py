"""Renders a run as ``report.md`` and one self-contained ``report.html``.

Everything comes from the run's record and its artifacts. Code, messages and names in a run
were written by others: all of it is escaped, and the page forbids scripts and the network.
"""

from __future__ import annotations

import base64
import json
import shlex
from dataclasses import dataclass

from markupsafe import Markup

from rewardgen.analysis.reflection import REMARKS
from rewardgen.analysis.statistics import FEW
from rewardgen.report import code, plots, text
from rewardgen.report.analyses import Analyses, StoredAnalysis
from rewardgen.report.candidates import finalists, left_out, notable
from rewardgen.report.changes import generations, lineage
from rewardgen.report.curves import Band, CurveReader
from rewardgen.report.environment import TEMPLATES, environment
from rewardgen.report.normalized import normalized_line
from rewardgen.report.outcome import (
    HUMAN,
    WINNER,
    Outcome,
    against,
    arm,
    candidate,
    outcome,
    ranking,
    reference,
    runs,
)
from rewardgen.report.terms import MOST_TOLD, other_stories, winner_story
from rewardgen.store.artifacts import ArtifactReader
from rewardgen.store.records import ArmRecord, ImprovementRecord, ShowRecord

_ANALYSIS_FIGURES = {
    "terms-over-episode": "What every term pays over the time of an episode: gains up, costs down; "
    "the line is the reward, the band its quartiles over the episodes that still run.",
    "terms-over-training": "The same along training, in means over policies.",
    "terms-by-episode": "Each term's mean in each episode, the fittest first.",
    "fitness-versus-reward": "Fitness against own return, along training.",
    "reward-slices": "What the reward would pay if one number of where a step led were another, in "
    "the mean over steps of the episodes.",
    "reward-plane": "The same over the two that matter most.",
}
# learning curves of a run without arms: of its best candidates
_SHOWN_CANDIDATES = 5
# candidates in the table of the search
_MOST_LISTED = 200
_PHASES = {"playoff": "play-off", "confirm": "confirmation", "train": "training"}
_SHARE_NOTE = (
    "What drives a policy is the advantage: how much better an action turned out than expected. "
    "A term's share of it, in the last third of training, may differ much from its share of the "
    "reward; a negative one pulls against the others."
)


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
class Video:
    """A video, as a data URI."""

    source: str
    uri: str


def render(
    record: ShowRecord, artifacts: ArtifactReader, analyses: Analyses | None = None
) -> Report:
    """Render a run.

    Args:
        record: the run.
        artifacts: its files.
        analyses: what was found out about its trajectories.

    Raises:
        StoreError: an artifact is missing or was changed.
    """
    reader = CurveReader(artifacts)
    overview = _figures(record, reader)
    winner_terms = winner_story(record, reader)
    other_terms = other_stories(record, reader, winner_terms)
    told = other_terms if winner_terms is None else [winner_terms, *other_terms]
    figures = overview | {story.figure: story.svg for story in told}
    result = outcome(record)
    winner = candidate(record, record.winner)
    over = reference(record.arms)
    listed = notable(record, _MOST_LISTED, _MOST_LISTED)
    ancestry = [] if winner is None else lineage(record, winner)
    shared: dict[str, object] = {
        "run": record,
        "outcome": result,
        "normalized": normalized_line(record),
        "metric": ranking(record),
        "rows": [_row(a, over) for a in record.arms],
        "over": over,
        "searched": any(a.search_fitness is not None for a in record.arms),
        "winner": winner,
        "runs_of": runs,
        "lineage": ancestry,
        "candidates": listed,
        "left_out": left_out(record, listed) if len(listed) < len(record.candidates) else "",
        "untold": max(0, len(finalists(record)) - MOST_TOLD),
        "generations": generations(record, ancestry),
        "winner_terms": winner_terms,
        "other_terms": other_terms,
        "remarks": REMARKS,
        "share_note": _SHARE_NOTE,
        "phase_names": _PHASES,
        "videoless": _videoless(record),
        "command": shlex.join(record.command),
        "config": json.dumps(record.config, indent=2, ensure_ascii=False),
        "recipe": json.dumps(record.recipe, indent=2, ensure_ascii=False),
        "overview": sorted(overview),
        "analyses": analyses or Analyses(),
        "figure_captions": _ANALYSIS_FIGURES,
    }
    page: dict[str, object] = {
        "css": Markup((TEMPLATES / "style.css").read_text(encoding="utf-8")),
        "code_css": Markup(code.code_css()),
        "tone": _tone(result),
        "images": {name: _data_uri("image/svg+xml", svg) for name, svg in figures.items()},
        "videos": _videos(record, artifacts),
        "python_html": code.python_html,
        "picture": _picture,
        "film_of": _film,
    }
    return Report(
        html=environment(html=True).get_template("report.html.j2").render({**shared, **page}),
        markdown=environment(html=False)
        .get_template("report.md.j2")
        .render({**shared, "fence": text.fence}),
        figures=figures,
    )


def _figures(record: ShowRecord, reader: CurveReader) -> dict[str, bytes]:
    """Return the figures that compare rewards with each other."""
    metric = ranking(record)
    human = arm(record, HUMAN)
    figures: dict[str, bytes] = {}
    if any(plots.run_means(a) for a in record.arms):
        figures["arms"] = plots.arms(record.arms, metric)
    bands = _bands(record, reader)
    if bands:
        figures["learning"] = plots.learning_curves(bands, metric)
    if any(c.fitness is not None for c in record.candidates):
        reference = None if human is None else human.iqm
        figures["search"] = plots.search(record.iterations, record.candidates, metric, reference)
    return figures


def _bands(record: ShowRecord, reader: CurveReader) -> list[Band]:
    """Return the learning curves of all arms; before there are any, of the best candidates."""
    metric = ranking(record)
    sign = 1.0 if metric.direction == "higher" else -1.0
    groups = [(a.arm, a.members) for a in record.arms if a.members]
    if not groups:
        scored = [(c.fitness * sign, c) for c in record.candidates if c.fitness is not None]
        scored.sort(key=lambda pair: -pair[0])
        groups = [(c.id, c.members) for _, c in scored[:_SHOWN_CANDIDATES]]
    found = [reader.band(name, members, f"fitness/{metric.name}") for name, members in groups]
    return [band for band in found if band is not None]


def _row(record: ArmRecord, over: str | None) -> ArmRow:
    compared = None if over is None else against(record, over)
    return ArmRow(record, compared, sorted(plots.run_means(record)))


def _videos(record: ShowRecord, artifacts: ArtifactReader) -> list[Video]:
    order = {WINNER: 0, HUMAN: 1}
    sources = sorted(record.videos, key=lambda name: (order.get(name, 2), name))
    return [
        Video(source, _data_uri("video/mp4", artifacts.read_bytes(record.videos[source])))
        for source in sources
    ]


def _videoless(record: ShowRecord) -> str:
    """Say that a finished run has no video although it was to have one; its notes say why."""
    wanted = record.state == "done" and bool(record.config.get("render")) and not record.videos
    return "There is no video; the notes on the run say why." if wanted else ""


def _tone(result: Outcome) -> str:
    return {"better": "good", "trained": "good", "worse": "bad", "nothing": "bad"}.get(
        result.kind, "open"
    )


def _picture(stored: StoredAnalysis, name: str) -> str:
    return _data_uri("image/svg+xml", stored.figures[name])


def _film(stored: StoredAnalysis, name: str) -> str:
    return _data_uri("video/mp4", stored.videos[name])


def _data_uri(media_type: str, data: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"
