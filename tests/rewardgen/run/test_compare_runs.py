"""Comparisons that use runs, or are runs: candidates, stored policies, race, confirmation."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from rewardgen import api
from rewardgen.config import compare_config
from rewardgen.run import compare_program
from rewardgen.run.compare_data import transitions_of
from rewardgen.run.pausing import PausedError
from rewardgen.run.session import InterruptedRunError
from rewardgen.rungs.transition_log import TransitionFileError
from rewardgen.store.compare_records import CompareRecord
from rewardgen_envs.errors import UsageError
from rewardgen_envs.registry import load_task, task_class

GOOD = (
    "def compute_reward(state, action, next_state):\n"
    "    up = torch.cos(next_state.pole_angle)\n    return up, dict(up=up)\n"
)
TINY: dict[str, Any] = {
    "task": "cartpole/balance",
    "transitions": 3000,
    "threads": 1,
    "seeds": 1,
    "env_steps": 4096,
    "rungs": 2,
    "eval_episodes": 2,
    "confirm_episodes": 2,
}


def compared(runs_dir: Path, *rewards: str, **more: object) -> CompareRecord:
    values = {**TINY, "reward": rewards, "runs_dir": runs_dir, **more}
    return api.compare(compare_config(values))


def test_candidates_of_runs_and_their_policies(calm_run: Path) -> None:
    record = compared(calm_run.parent, "calm:c1-1", "calm:c1-2", "calm", data=("calm",))
    names = [reward.name for reward in record.rewards]
    assert names == ["calm:c1-1", "calm:c1-2", "calm", "human"]
    assert record.data is not None
    sources = [source.name for source in record.data.sources]
    assert sources[:2] == ["random", "human policy"]
    assert 1 <= sum(name.startswith("calm:") for name in sources) <= 4
    stored = api.load(calm_run)
    sources_of = {each.id: each.source_sha256 for each in stored.candidates}
    assert record.rewards[0].source_sha256 == sources_of["c1-1"]
    assert record.rewards[2].source_sha256 == sources_of[stored.winner or ""]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("calm:c9-9", "run 'calm' has no candidate or arm 'c9-9'"),
        ("calm:human", "is the task's own: write human"),
        ("clam:c1-1", "did you mean 'calm'"),
    ],
)
def test_unknown_parts_of_a_run(name: str, said: str, calm_run: Path) -> None:
    with pytest.raises(UsageError, match=said):
        compared(calm_run.parent, name, "sparse")


def test_a_candidate_of_another_task_is_refused(calm_run: Path) -> None:
    with pytest.raises(UsageError, match="is a reward for task 'cartpole/balance', not for"):
        compared(calm_run.parent, "calm:c1-1", "sparse", task="cartpole/swing-up")


def test_policies_of_another_version_of_the_task_are_refused(calm_run: Path) -> None:
    class Newer(task_class("cartpole/balance")):
        version = 7

    config = compare_config(
        {**TINY, "reward": ("human",), "runs_dir": calm_run.parent, "data": ("calm",)}
    )
    with pytest.raises(TransitionFileError, match=r"run 'calm' is of version 2 .* version 7 now"):
        transitions_of(config, Newer(), 0.98, print)
    assert load_task("cartpole/balance").version == 2


@pytest.fixture(scope="module")
def confirmed(tmp_path_factory: pytest.TempPathFactory) -> tuple[CompareRecord, Path]:
    folder = tmp_path_factory.mktemp("compare")
    (folder / "good.py").write_text(GOOD)
    record = compared(
        folder / "runs", str(folder / "good.py"), "sparse", stage="confirm", name="it"
    )
    return record, folder


@pytest.mark.slow
def test_confirmed_numbers_are_not_those_that_chose(
    confirmed: tuple[CompareRecord, Path],
) -> None:
    record, folder = confirmed
    assert record.incumbent == "human"
    assert [rung.rung for rung in record.race] == [1, 2]
    assert len(record.race[0].fitness) == 3
    assert len(record.race[1].fitness) < 3
    assert {arm.arm for arm in record.arms} >= {"human"}
    state = api.load(folder / "runs" / "it")
    assert state.verb == "compare" and state.state == "done"
    raced = _seeds(folder, "race")
    for arm in record.arms:
        assert len(arm.members) == 10
        assert not {member.train_seed for member in arm.members} & raced
    others = [each for each in record.confirmed if each.arm != "human"]
    for each in others:
        assert each.over == "human"
        assert each.p is not None and 0.0 < each.p <= 1.0
    written = json.loads((folder / "runs" / "it" / "comparison.json").read_text())
    assert written == record.model_dump(mode="json")
    figures = {path.name for path in (folder / "runs" / "it" / "figures").iterdir()}
    assert {"profile.csv", "waterfall.svg", "waterfall.csv", "distances.csv"} <= figures


def _seeds(folder: Path, trial: str) -> set[int]:
    """Return the training seeds of a trial."""
    with sqlite3.connect(folder / "runs" / "it" / "run.sqlite") as connection:
        rows = connection.execute("SELECT payload FROM events WHERE type = 'rung_started'")
        rungs = [json.loads(payload) for (payload,) in rows]
    return {m["seed"] for rung in rungs if rung["trial"] == trial for m in rung["members"]}


@pytest.mark.slow
def test_an_interrupted_comparison_goes_on_to_the_same_end(
    confirmed: tuple[CompareRecord, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, folder = confirmed
    rungs: list[float | None] = []

    def stop_before_the_second(deadline: float | None) -> None:
        rungs.append(deadline)
        if len(rungs) == 2:
            raise PausedError("in the middle of the race")

    monkeypatch.setattr(compare_program, "pause_if_late", stop_before_the_second)
    runs = tmp_path / "runs"
    with pytest.raises(InterruptedRunError, match="in the middle of the race"):
        compared(runs, str(folder / "good.py"), "sparse", stage="confirm", name="it")
    assert api.load(runs / "it").state == "interrupted"
    monkeypatch.undo()
    (folder / "good.py").write_text("the run needs this file no more")
    shown = api.resume("it", runs)
    assert (shown.state, shown.resumes) == ("done", 1)
    again = json.loads((runs / "it" / "comparison.json").read_text())
    assert again["rewards"] == record.model_dump(mode="json")["rewards"]
    assert again["confirmed"] == record.model_dump(mode="json")["confirmed"]
