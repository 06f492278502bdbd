"""Clocks that jump: nothing that a run decides depends on them."""

from __future__ import annotations

import pytest

from rewardgen.store.run_directory import read_run
from tests.faults.conftest import Scene
from tests.faults.injection import Plan

pytestmark = pytest.mark.slow  # whole runs

HOUR_S, DAY_S = 3600.0, 86_400.0
JUMPS = pytest.mark.parametrize("jump_s", [-HOUR_S, DAY_S], ids=["back an hour", "forward a day"])


@JUMPS
def test_a_clock_that_jumps_in_a_run(scene: Scene, jump_s: float) -> None:
    done = scene.begin(Plan("commit", 1, "clock", jump_s=jump_s, event="rung_started"))
    assert done.status == 0, done.err
    assert read_run(scene.run).state.wall_s < HOUR_S, "durations are those of the other clock"
    scene.check_recovery()


@JUMPS
def test_a_clock_that_jumped_while_nothing_ran(scene: Scene, jump_s: float) -> None:
    scene.begin(Plan("commit", 14, "kill after"))
    done = scene.resume(Plan("commit", 1, "clock", jump_s=jump_s))
    assert done.status == 0, done.err
    assert read_run(scene.run).state.wall_s < HOUR_S
    shown = scene.start(["list", f"--runs-dir={scene.runs_dir}"]).wait()
    assert "disturbed" in shown.out
    scene.check_recovery()
