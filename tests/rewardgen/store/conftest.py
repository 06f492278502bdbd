from __future__ import annotations

from pathlib import Path

import pytest

from rewardgen.store import parts
from rewardgen.store import payloads as p
from rewardgen.store.manifest import collect_manifest
from rewardgen.store.run_directory import RunDirectory


@pytest.fixture
def run_started() -> p.RunStarted:
    return p.RunStarted(
        verb="run",
        command=("rewardgen", "run"),
        config={"iterations": 1},
        task=parts.TaskFacts(
            name="cartpole/swing-up",
            version=1,
            description="Swing the pole up.",
            scene_sha256="0" * 64,
            metrics=(
                parts.MetricFacts(name="upright", unit="1", higher_is_better=True, success=0.6),
                parts.MetricFacts(name="effort", unit="1", higher_is_better=False, success=None),
            ),
        ),
        recipe={"epochs": 5},
        recipe_sha256="1" * 64,
        designer="evolve",
        seed=0,
        isolation=parts.Isolation(mode="standard"),
        manifest=collect_manifest(),
    )


@pytest.fixture
def run_path(tmp_path: Path, run_started: p.RunStarted) -> Path:
    """A run that was begun and holds one artifact."""
    path = tmp_path / "runs" / "first"
    with RunDirectory.create(path) as run:
        run.append(run_started)
        run.artifacts.put_text("one", name="one.txt")
        run.append(p.IterationStarted(iteration=0))
    return path
