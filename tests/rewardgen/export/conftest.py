from __future__ import annotations

from pathlib import Path

import pytest

from tests.rewardgen.run.tiny import call, run_command


@pytest.fixture(scope="session")
def search(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a tiny finished search; read only."""
    runs_dir = tmp_path_factory.mktemp("runs")
    done = call(run_command(runs_dir, "tiny"))
    assert done.returncode == 0, done.stderr
    return runs_dir / "tiny"
