"""Where there is no Linux, the product runs after one explicit flag."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

# imported by every Python process of the run at its start
SITE = """
import os, sys
sys.modules["rewardgen.isolation.linux"] = None
del os.sched_getaffinity
"""


def run_smoke(tmp_path: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    """Run configs/smoke.yaml where the Linux half cannot be imported."""
    (tmp_path / "sitecustomize.py").write_text(SITE)
    arguments = ["run", "smoke", "--name=run", f"--runs-dir={tmp_path}", "--json", *flags]
    return subprocess.run(
        [sys.executable, "-m", "rewardgen.cli.main", *arguments],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_standard_isolation_is_refused_with_the_flag_to_go_on(tmp_path: Path) -> None:
    done = run_smoke(tmp_path)
    assert done.returncode == 2
    assert "--isolation none" in done.stderr
    assert not (tmp_path / "run").exists(), "nothing was started"


@pytest.mark.slow
def test_smoke_runs_with_isolation_none(tmp_path: Path) -> None:
    done = run_smoke(tmp_path, "--isolation=none")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout.splitlines()[-1])
    assert record["state"] == "done"
    assert record["isolation"]["mode"] == "none"
    assert "memory limit" not in record["isolation"]["applied"]
