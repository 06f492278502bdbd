from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.rewardgen.run.tiny import call, events, outcome, run_command


@pytest.fixture(scope="session")
def calm_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a tiny run that nobody disturbed."""
    runs_dir = tmp_path_factory.mktemp("runs")
    done = call(run_command(runs_dir, "calm"))
    assert done.returncode == 0, done.stderr
    return runs_dir / "calm"


@pytest.fixture(scope="session")
def undisturbed(calm_run: Path) -> tuple[dict[str, Any], int]:
    """The outcome of that run, and how many events it took."""
    return outcome(calm_run.parent, "calm"), len(events(calm_run))
