"""Workers and reward hosts that die, hang or say nonsense: never the end of the others."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from rewardgen.isolation.host import HostOptions, HostPool
from rewardgen.isolation.pace import Deadlines
from rewardgen.isolation.session import HostFailure
from rewardgen.rewards.format import parse_reward
from rewardgen.rewards.transitions import Transitions
from rewardgen.rungs.executor import ExecutorError, LocalExecutor
from rewardgen.rungs.jobs import SurveyJob
from rewardgen_envs.features import Feature, FeatureTable
from tests.faults.children import Child, Surroundings
from tests.faults.conftest import Scene, run_arguments
from tests.faults.undisturbed import event_types
from tests.rewardgen.run.test_llm_search import descendants

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
FAR_AWAY_S = 60.0


def workers(child: Child, role: str) -> list[int]:
    """Return the processes of a run that train or evaluate."""
    found: list[int] = []
    for pid in descendants(child.pid):
        try:
            line = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"rewardgen.rungs.worker_process" in line and role.encode() in line:
            found.append(pid)
    return found


def kill_after(scene: Scene, child: Child, event: str, count: int, role: str) -> int:
    """Kill the workers of a role once a run has recorded an event so often; say how many."""
    while event_types(scene.run).count(event) < count:
        assert Path(f"/proc/{child.pid}/cmdline").read_bytes(), "the run has ended"
    killed = workers(child, role)
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    return len(killed)


def test_killed_trainers_and_evaluators_are_replaced(scene: Scene) -> None:
    """In one run, each in a rung of its own, with workers that do their jobs anew."""
    around = Surroundings(remembered=False)
    child = scene.start(run_arguments(scene.runs_dir), around=around)
    assert kill_after(scene, child, "rung_started", 1, "train")
    assert kill_after(scene, child, "rung_finished", 1, "evaluate")
    done = child.wait()
    assert done.status == 0, done.err
    assert "run_failed" not in event_types(scene.run)
    scene.check_recovery()


def test_stopped_workers_end_with_the_run_that_is_killed(scene: Scene) -> None:
    """A process that is stopped notices nothing; the kernel ends it for its owner."""
    child = scene.start(run_arguments(scene.runs_dir), around=Surroundings(remembered=False))
    while "rung_started" not in event_types(scene.run):
        assert Path(f"/proc/{child.pid}/cmdline").read_bytes(), "the run has ended"
    below = descendants(child.pid)
    assert {role for role in ("train", "evaluate") if set(workers(child, role)) & set(below)}
    for pid in below:
        with contextlib.suppress(ProcessLookupError):  # a reward host whose work is done
            os.kill(pid, signal.SIGSTOP)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    patience = time.monotonic() + FAR_AWAY_S
    while any(state_of(pid) not in ("", "Z") for pid in below):
        assert time.monotonic() < patience, {
            pid: (state_of(pid), Path(f"/proc/{pid}/cmdline").read_bytes())
            for pid in below
            if state_of(pid)
        }
    scene.check_recovery()


def state_of(pid: int) -> str:
    """Return the state of a process as /proc gives it, empty if there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


@pytest.mark.parametrize(("script", "words"), [("exit 0", "status 0"), ("exit 3", "status 3")])
def test_a_worker_that_ends_early_is_no_rewards_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, words: str
) -> None:
    stand_in = tmp_path / "python"
    stand_in.write_text(f"#!/bin/sh\nread job\n{script}\n")
    stand_in.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(stand_in))
    job = SurveyJob(task="cartpole/balance", seed=0)
    with (
        LocalExecutor(tmp_path / "jobs") as executor,
        pytest.raises(ExecutorError, match=f"survey failed twice; .* ended with {words}"),
    ):
        executor.survey("survey", job)


@pytest.fixture(scope="module")
def pool() -> Iterator[HostPool]:
    """Reward hosts that may be slow at first, not later."""
    deadlines = Deadlines(first_s=FAR_AWAY_S, least_s=1.0, factor=1.0)
    with HostPool(HostOptions(deadlines=deadlines)) as opened:
        yield opened


@pytest.mark.parametrize(
    "body",
    [
        "calls.append(1)\nwhile len(calls) > 1: pass\nreturn state.height, {}",
        "Hung()\nreturn state.height, {}",
        "calls.append(1)\nif len(calls) > 1: torch.nn.functional.pad = 9**9**9\n"
        "return state.height, {}",
    ],
    ids=["after a call", "in __del__", "in C after a call"],
)
def test_what_hangs_later_is_ended_and_its_sibling_is_not(pool: HostPool, body: str) -> None:
    table = FeatureTable([Feature("height", (), "m", "")])
    rows = Transitions(torch.ones(4, 1), torch.zeros(4, 1), torch.ones(4, 1))
    hung = (
        "calls = []\n"
        "class Hung:\n    def __del__(self):\n        calls.append(1)\n"
        "        while len(calls) > 1: pass\n"
    )
    function = "def compute_reward(state, action, next_state):\n"
    host = pool.open(parse_reward(hung + function + textwrap.indent(body, "    ")), table)
    sibling = pool.open(parse_reward(function + "    return state.height, {}\n"), table)
    host.evaluate(rows)
    with pytest.raises(HostFailure, match="no answer within") as caught:
        host.evaluate(rows)
    assert caught.value.finding.rule == "deadline"
    assert torch.equal(sibling.evaluate(rows).reward, torch.ones(4))
