"""Writes the JSON schemas of all machine-readable output: ``python -m rewardgen.store.schemas``."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path

from rewardgen.store.analysis_records import AnalysisRecord
from rewardgen.store.compare_records import CompareRecord
from rewardgen.store.export_records import ExportRecord, ImportRecord, PolicyRecord
from rewardgen.store.parts import Data
from rewardgen.store.records import (
    CheckRecord,
    FeedbackRecord,
    GenerateRecord,
    ListRecord,
    ShowRecord,
    TaskListRecord,
    TaskRecord,
    TrialRecord,
)

RECORDS: dict[str, type[Data]] = {
    "analyze": AnalysisRecord,
    "check": CheckRecord,
    "compare": CompareRecord,
    "export": ExportRecord,
    "feedback": FeedbackRecord,
    "generate": GenerateRecord,
    "import": ImportRecord,
    "list": ListRecord,
    "policy": PolicyRecord,
    "show": ShowRecord,
    "tasks-list": TaskListRecord,
    "tasks-show": TaskRecord,
    "train": TrialRecord,
}


def schema_files() -> dict[str, str]:
    """Return file name → text of every schema."""
    files: dict[str, str] = {}
    for name, record in RECORDS.items():
        schema = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            **record.model_json_schema(by_alias=True, mode="serialization"),
        }
        files[f"{name}.json"] = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
    return files


def main(directory: Path) -> None:
    """Write the schemas into a directory."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in schema_files().items():
        (directory / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("directory", nargs="?", type=Path, default=Path("docs/schemas"))
    main(parser.parse_args().directory)
