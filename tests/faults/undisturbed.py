"""What a run comes to, without what may differ between two equal runs; and what was promised."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel

from rewardgen.store.events import DATABASE_NAME, read_events
from rewardgen.store.run_directory import RunSnapshot, read_run

# the process and the time of a run, and how often it was taken up again
_OF_THE_PROCESS = {"started", "started_wall", "last_seq", "last_mono", "wall_s", "resumes"}
_OF_THE_WAY = {"notes", "reason", "cost_usd"}


def essence(path: Path) -> dict[str, Any]:
    """Return all that a run's events and artifacts say, but times, costs and its resumes."""
    run = read_run(path)
    timed = {
        rung.finished.details
        for rung in run.state.rungs.values()
        if rung.finished is not None and rung.finished.details is not None
    }
    state = cast("dict[str, Any]", _plain(run.state))
    for name in _OF_THE_PROCESS | _OF_THE_WAY:
        del state[name]
    state["artifacts"] = {
        _without_times(run, sha) if sha in timed else run.artifacts.path(sha).name
        for sha in run.state.artifacts
    }
    for rung in state["rungs"].values():
        rung["finished"].pop("details", None)
    return cast("dict[str, Any]", _untimed(state))


def _without_times(run: RunSnapshot, artifact: str) -> str:
    """Return a hash of the details of a rung that its duration does not enter."""
    details = _untimed(json.loads(run.artifacts.read_text(artifact)))
    return hashlib.sha256(json.dumps(details, sort_keys=True).encode()).hexdigest()


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in cast("Mapping[object, object]", value).items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in cast("list[object]", value)]
    return value


def _untimed(value: object) -> object:
    if isinstance(value, dict):
        entries = cast("dict[str, object]", value).items()
        return {k: _untimed(v) for k, v in entries if k != "wall_s"}
    if isinstance(value, list):
        return [_untimed(item) for item in cast("list[object]", value)]
    return value


def event_types(path: Path) -> list[str]:
    """Return the types of a run's events so far; none where there is no log yet."""
    return [event.type for event in read_events(path / DATABASE_NAME)]


def check_nothing_lost(path: Path, acknowledged: Path) -> int:
    """Assert that every event that was once committed is in the log, unchanged; count them."""
    promised = [line.split() for line in acknowledged.read_text().splitlines()]
    if not promised:
        return 0
    with closing(sqlite3.connect(path / DATABASE_NAME)) as connection:
        there = dict(connection.execute("SELECT seq, hex(digest) FROM events").fetchall())
    lost = [seq for seq, digest in promised if there.get(int(seq)) != digest]
    assert lost == [], f"acknowledged events {lost} are not in {path}"
    return len(promised)


def fingerprint(folder: Path) -> dict[str, str]:
    """Return the hash of every file below a folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
