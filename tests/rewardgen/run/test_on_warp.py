"""The commands on MuJoCo Warp's CPU device: the same path through the program as on a GPU."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rewardgen.isolation.protection import ALWAYS
from rewardgen.store.state import SHARED
from tests.rewardgen.run.tiny import call, command, outcome

pytest.importorskip("mujoco_warp")
pytestmark = pytest.mark.slow
WARP = ("--engine=warp", "--device=cpu")
TASK, UPDATE = "--task=cartpole/balance", 2048
OWN = """\
def compute_reward(state, action, next_state):
    up = next_state.pole_angle_cosine
    return up, {"up": up}
"""


def test_three_updates_of_training(tmp_path: Path) -> None:
    reward = tmp_path / "up.py"
    reward.write_text(OWN)
    given = (TASK, f"--reward={reward}", f"--env-steps={3 * UPDATE}", "--seeds=1")
    done = call(command("train", *given, *WARP, f"--runs-dir={tmp_path}", "--json"))
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout.splitlines()[-1])
    assert [len(arm["members"]) for arm in record["arms"]] == [1]
    shown = outcome(tmp_path, record["run"])
    assert shown["isolation"]["applied"][0] == SHARED


def test_a_search_of_one_iteration(tmp_path: Path) -> None:
    size = ("--iterations=1", "--samples=3", "--train-seeds=1", "--rungs=2", "--seed=9100")
    episodes = ("--eval-episodes=2", "--confirm-seeds=2", "--confirm-episodes=2")
    done = call(
        command(
            *("run", TASK, *size, *episodes, *WARP, f"--env-steps={2 * UPDATE}"),
            *("--no-render", f"--runs-dir={tmp_path}", "--json"),
        )
    )
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout.splitlines()[-1])
    assert record["state"] == "done"
    assert {arm["arm"] for arm in record["arms"]} == {"winner", "human", "sparse"}
    assert record["isolation"]["applied"][0] == SHARED
    assert ALWAYS[0] not in record["isolation"]["applied"]
    assert all(c["state"] != "failed" for c in record["candidates"])
