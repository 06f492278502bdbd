"""The smallest run that goes through every stage, and how to compare two of them."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.faults.children import Surroundings, nursery

SETTINGS = {
    "task": "cartpole/balance",
    "iterations": 2,
    "samples": 4,
    "train-seeds": 1,
    "env-steps": 4096,
    "rungs": 2,
    "eval-episodes": 2,
    "confirm-seeds": 2,
    "confirm-episodes": 2,
    "seed": 9100,
    "threads": 1,
}


def command(verb: str, *arguments: str) -> list[str]:
    """Return a command line of this project."""
    return [sys.executable, "-m", "rewardgen.cli.main", verb, *arguments]


def run_command(runs_dir: Path, name: str) -> list[str]:
    """Return the command line of a tiny search."""
    flags = [f"--{key}={value}" for key, value in SETTINGS.items()]
    return command("run", *flags, "--no-render", f"--runs-dir={runs_dir}", f"--name={name}")


def call(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command line of this project to its end, in a process that need not import it."""
    assert arguments[:3] == command("")[:3]
    around = Surroundings(
        environment=dict(os.environ), whole=True, cwd=Path.cwd(), reserve=True, remembered=False
    )
    ended = nursery().start(arguments[3:], Path(os.devnull), surroundings=around).wait()
    return subprocess.CompletedProcess(arguments, ended.status, ended.out, ended.err)


def outcome(runs_dir: Path, name: str) -> dict[str, Any]:
    """Return what a run came to, without what may differ between two equal runs."""
    done = call(command("show", name, "--json", f"--runs-dir={runs_dir}"))
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout.splitlines()[-1])
    for key in ("run", "wall_s", "started", "command", "resumes", "manifest", "notes"):
        del record[key]
    for phase in record["phases"]:
        del phase["wall_s"]
    record["config"] = {k: v for k, v in record["config"].items() if k not in ("name", "runs_dir")}
    return record


def events(run: Path) -> list[str]:
    """Return the types of a run's events so far."""
    if not (run / "run.sqlite").is_file():
        return []
    connection = sqlite3.connect(f"file:{run / 'run.sqlite'}?mode=ro", uri=True)
    try:
        return [row[0] for row in connection.execute("select type from events order by seq")]
    except sqlite3.OperationalError:
        return []
    finally:
        connection.close()
