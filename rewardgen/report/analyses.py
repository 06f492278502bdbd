"""What ``analyze`` left in a run's folder, for the report of the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from rewardgen.report.names import ANALYSIS_FILE, ANALYSIS_NAME
from rewardgen.store.analysis_records import AnalysisRecord
from rewardgen.store.atomic import clear_errors
from rewardgen.store.records import ShowRecord


@dataclass(frozen=True)
class StoredAnalysis:
    """An analysis with its files.

    Attributes:
        record: what was found.
        folder: name of its folder.
        figures: name → SVG.
        videos: file name → mp4.
    """

    record: AnalysisRecord
    folder: str
    figures: Mapping[str, bytes]
    videos: Mapping[str, bytes]


@dataclass(frozen=True)
class Analyses:
    """All analyses of a run.

    Attributes:
        found: those that belong to the run as it is now.
        left_out: what was left out and why.
    """

    found: tuple[StoredAnalysis, ...] = ()
    left_out: tuple[str, ...] = field(default_factory=tuple[str, ...])


def stored_analyses(path: Path, record: ShowRecord) -> Analyses:
    """Read the analyses of a run; of policies that were trained further, none.

    Args:
        path: the run's folder.
        record: the run.

    Raises:
        StoreError: a file cannot be read.
    """
    checkpoints = _checkpoints(record)
    found: list[StoredAnalysis] = []
    left_out: list[str] = []
    for file in sorted((path / ANALYSIS_NAME).glob(f"*/{ANALYSIS_FILE}")):
        folder = file.parent
        with clear_errors(file, "read"):
            try:
                analysis = AnalysisRecord.model_validate_json(file.read_bytes())
            except ValidationError:
                left_out.append(f"{folder.name}: it is of another version, or damaged")
                continue
            looked_at = {policy.checkpoint for policy in analysis.policies}
            if not looked_at <= checkpoints.get(analysis.who, set()):
                left_out.append(f"{folder.name}: its policies were trained further since")
                continue
            found.append(_with_files(analysis, folder))
    return Analyses(tuple(found), tuple(left_out))


def _with_files(analysis: AnalysisRecord, folder: Path) -> StoredAnalysis:
    """Read figures and videos; one that somebody removed is left out."""
    figures = {name: folder / f"{name}.svg" for name in analysis.figures}
    videos = {c.video: folder / c.video for c in analysis.failures.clusters if c.video is not None}
    return StoredAnalysis(
        record=analysis,
        folder=folder.name,
        figures={name: file.read_bytes() for name, file in figures.items() if file.is_file()},
        videos={name: file.read_bytes() for name, file in videos.items() if file.is_file()},
    )


def _checkpoints(record: ShowRecord) -> dict[str, set[str]]:
    """Return the policies of every candidate and arm, by its name."""
    groups = {c.id: c.members for c in record.candidates} | {a.arm: a.members for a in record.arms}
    return {
        name: {m.checkpoint for m in members if m.checkpoint is not None}
        for name, members in groups.items()
    }
