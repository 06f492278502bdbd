"""What the scaling benchmark counts."""

from __future__ import annotations

import subprocess
import sys

import pytest

from benchmarks import scaling


def test_time_without_physics_is_part_of_all_time_and_hosts_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scaling, "SAMPLES", 0)
    monkeypatch.setattr(scaling, "LEAST_UPDATES", 1)
    figures = scaling.measure(1)
    assert 0.0 < figures["us_not_physics"] < figures["us_per_env_step"]
    assert figures["us_per_env_step"] * figures["env_steps_per_s"] == pytest.approx(1e6)
    assert 10 < figures["hosts_mib"] < figures["peak_mib"]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_processes_of_processes_are_found() -> None:
    shell = "sleep 60 & echo $!; wait"
    with subprocess.Popen(["sh", "-c", shell], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        try:
            assert scaling._descendants(parent.pid) == [child]
        finally:
            subprocess.run(["kill", str(child)], check=True)
