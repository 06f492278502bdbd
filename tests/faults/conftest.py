"""A run that nobody disturbs, and the means to disturb others like it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.faults import children
from tests.faults.children import Child, Ended, Nursery, Surroundings
from tests.faults.injection import Plan
from tests.faults.undisturbed import check_nothing_lost, essence, event_types, fingerprint
from tests.rewardgen.store.conftest import run_started

__all__ = ["nursery", "reference", "run_started", "scene"]

NAME = "disturbed"
SETTINGS = {
    "task": "cartpole/swing-up",
    "iterations": 2,
    "samples": 2,
    "train-seeds": 1,
    "env-steps": 2048,
    "rungs": 1,
    "eval-episodes": 1,
    "confirm-seeds": 2,
    "confirm-episodes": 1,
    "seed": 9300,
    "threads": 1,
}


def run_arguments(runs_dir: Path, *more: str) -> list[str]:
    """The arguments of a tiny search."""
    flags = [f"--{key}={value}" for key, value in SETTINGS.items()]
    return ["run", *flags, "--no-render", f"--runs-dir={runs_dir}", f"--name={NAME}", *more]


def resume_arguments(run: Path) -> list[str]:
    """The arguments that take a run up again."""
    return ["resume", run.name, f"--runs-dir={run.parent}"]


@dataclass(frozen=True)
class Reference:
    """The run that nobody disturbed.

    Attributes:
        path: where it lies.
        essence: what it came to.
        types: its events' types, in order.
        commits: their number; several events may share one.
    """

    path: Path
    essence: dict[str, Any]
    types: list[str]
    commits: int


@dataclass(frozen=True)
class Scene:
    """A folder of runs in which one is disturbed beside another one.

    Attributes:
        nursery: starts commands.
        reference: what the disturbed run must come to.
        runs_dir: the folder.
        acknowledged: what was committed in it.
    """

    nursery: Nursery
    reference: Reference
    runs_dir: Path
    acknowledged: Path

    @property
    def run(self) -> Path:
        """The run that is disturbed."""
        return self.runs_dir / NAME

    def start(
        self, arguments: list[str], plan: Plan | None = None, around: Surroundings | None = None
    ) -> Child:
        """Start a command on the run."""
        return self.nursery.start(
            arguments, self.acknowledged, plan, below=self.run, surroundings=around
        )

    def begin(self, plan: Plan | None = None, around: Surroundings | None = None) -> Ended:
        """Run the search to its end, whichever that is."""
        return self.start(run_arguments(self.runs_dir), plan, around).wait()

    def resume(self, plan: Plan | None = None, around: Surroundings | None = None) -> Ended:
        """Take the run up again, or begin it where no event was recorded."""
        begun = bool(event_types(self.run))
        arguments = resume_arguments(self.run) if begun else run_arguments(self.runs_dir)
        return self.start(arguments, plan, around).wait()

    def check_recovery(self) -> None:
        """Assert that the run can be taken up and comes to what it would have come to."""
        done = self.resume()
        assert done.status == 0, done.err
        assert essence(self.run) == self.reference.essence
        check_nothing_lost(self.run, self.acknowledged)
        assert fingerprint(self.runs_dir / "sibling") == fingerprint(self.reference.path)
        assert not (self.run / "jobs").exists()


@pytest.fixture(scope="session")
def nursery() -> Nursery:
    """Starts commands, and remembers what their jobs gave."""
    return children.nursery()


@pytest.fixture(scope="session")
def reference(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """A tiny search from its start to its end, its workers included."""
    runs_dir = tmp_path_factory.mktemp("undisturbed")
    acknowledged = runs_dir / "acknowledged"
    plan = Plan("commit")
    done = nursery.start(run_arguments(runs_dir), acknowledged, plan).wait()
    assert done.status == 0, done.err
    assert done.count is not None
    path = runs_dir / NAME
    return Reference(path, essence(path), event_types(path), done.count)


@pytest.fixture
def scene(nursery: Nursery, reference: Reference, tmp_path: Path) -> Scene:
    """A new folder of runs that holds a finished one."""
    runs_dir = tmp_path / "runs"
    runs_dir.mkdir()
    shutil.copytree(reference.path, runs_dir / "sibling")
    return Scene(nursery, reference, runs_dir, tmp_path / "acknowledged")
