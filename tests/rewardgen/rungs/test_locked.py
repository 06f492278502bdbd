"""A trainer in one locked process with its rewards: what they do to it, and what comes out."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import pytest
import torch

from rewardgen.isolation.pace import Deadlines
from rewardgen.isolation.protection import TRIED, offered
from rewardgen.rewards.format import parse_reward
from rewardgen.rewards.inline import InlineReward
from rewardgen.rungs import trainer
from rewardgen.rungs.executor import LocalExecutor
from rewardgen.rungs.folders import remove
from rewardgen.rungs.jobs import (
    LateAnswer,
    MemberSpec,
    RewardRef,
    TrainJob,
    TrainResult,
    write_result,
)
from rewardgen.rungs.locked import train_locked
from rewardgen.rungs.locked_result import Expected, LockedTrainerError
from rewardgen.rungs.trainer import Trainer
from rewardgen.rungs.training import train_job
from rewardgen.store.state import SHARED
from rewardgen_envs.engines.choice import Budget, EngineChoice
from rewardgen_envs.registry import load_task
from rewardgen_envs.simulation import Simulation
from rewardgen_policies.recipe import Recipe

pytest.importorskip("mujoco_warp")

TASK = "cartpole/balance"
RECIPE = Recipe(worlds=16, steps=16, minibatches=2, hidden=(16, 16))
WARP = EngineChoice("warp", "cpu", Budget(contacts=8, rows=16))
GOOD = """\
def compute_reward(state, action, next_state):
    up = next_state.pole_angle_cosine
    return up, {"up": up}
"""
HEAD = "def compute_reward(state, action, next_state):\n"
ENDLESS = HEAD + "    while True:\n        pass\n"
RAISES = HEAD + "    return state.nothing, {}\n"
LEAVES = HEAD + "    raise SystemExit(3)\n"
CRASHES = HEAD + "    import ctypes\n    ctypes.string_at(0)\n"
ENDS = HEAD + "    import os\n    os._exit(0)\n"
WRITES = """\
import glob, os, sys
def compute_reward(state, action, next_state):
    seen = 0.0
    for path in ("/etc/passwd", "/tmp", os.path.expanduser("~root")):
        try:
            os.listdir(path) if os.path.isdir(path) else open(path).read()
            seen += 1.0
        except OSError:
            pass
    secrets = [name for name in os.environ if "KEY" in name]
    up = next_state.pole_angle_cosine
    return up, {"seen": up * 0.0 + seen + len(secrets)}
"""
FORGES = """\
import gc, os
from rewardgen.isolation.channel import Channel, deadline_in
def compute_reward(state, action, next_state):
    for thing in gc.get_objects():
        if isinstance(thing, Channel):
            for message in MESSAGES:
                thing.send(message, deadline_in(1.0))
    os._exit(0)
"""


def job(*sources: str, late: tuple[LateAnswer, ...] = ()) -> TrainJob:
    rewards = tuple(
        RewardRef(kind="code", name=f"c{i}", source=source) for i, source in enumerate(sources)
    )
    return TrainJob(
        task=TASK,
        rewards=rewards,
        members=tuple(MemberSpec(reward=i, seed=9300 + i) for i in range(len(sources))),
        recipe=RECIPE.model_dump(mode="json"),
        rung=0,
        env_steps=3 * RECIPE.samples,
        engines=(WARP,),
        isolation=offered(),
        late=late,
    )


@pytest.fixture(scope="module", autouse=True)
def _kernels() -> None:
    """Have what the task needs compiled by a trusted process, as evaluations do in a run."""
    simulation = Simulation(load_task(TASK), [0], RECIPE.worlds, engine=WARP)
    simulation.step(torch.zeros(RECIPE.worlds, 1))
    simulation.close()


class Told:
    """What the owner of a locked trainer was told."""

    def __init__(self) -> None:
        self.done: list[int] = []
        self.late: list[LateAnswer] = []

    def run(self, given: TrainJob, folder: Path, deadlines: Deadlines | None = None) -> TrainResult:
        return train_locked(
            given,
            load_task(given.task),
            folder,
            lambda done, total: self.done.append(done),
            self.late.append,
            deadlines,
        )


def test_it_trains_reports_and_leaves_only_checkpoints(tmp_path: Path) -> None:
    told = Told()
    result = told.run(job(GOOD, WRITES), tmp_path)
    assert [member.failure for member in result.members] == [None, None]
    assert told.done == [RECIPE.samples * k for k in (0, 1, 2, 3)]
    assert result.env_steps == 2 * 3 * RECIPE.samples
    assert {p.name for p in tmp_path.iterdir()} == {m.checkpoint for m in result.members}
    assert result.isolation[0] == SHARED
    assert "own process" not in result.isolation
    if offered() != "none":
        assert TRIED in result.isolation
        assert result.curves[1]["term/seen"] == [0.0] * 3


def test_it_scores_as_a_host_does(tmp_path: Path) -> None:
    together = Told().run(job(GOOD), tmp_path)
    with LocalExecutor(tmp_path / "runs") as executor:
        given = job(GOOD).model_copy(update={"together": False})
        apart, _ = executor.train("apart", given, lambda done, total: None, lambda answer: None)
    assert "own process" in apart.isolation
    assert together.curves == apart.curves


@pytest.mark.parametrize(
    ("source", "words", "reported"),
    [
        pytest.param(RAISES, "nothing", False, marks=pytest.mark.slow),
        (LEAVES, "SystemExit", False),
        pytest.param(ENDS, "ended with status 0 while it scored", True, marks=pytest.mark.slow),
        (CRASHES, "ended with status -11 while it scored", True),
        (ENDLESS, "no answer within 1 s", True),
    ],
    ids=["raises", "leaves", "ends", "crashes", "endless"],
)
def test_a_reward_at_fault_fails_alone(
    tmp_path: Path, source: str, words: str, reported: bool
) -> None:
    told = Told()
    result = told.run(job(GOOD, source, GOOD), tmp_path, Deadlines(first_s=1.0))
    first, second, third = result.members
    assert second.failure is not None
    assert words in second.failure
    assert first.failure is third.failure is None
    assert [(answer.reward, answer.call) for answer in told.late] == ([(1, 0)] if reported else [])
    assert second.env_steps == RECIPE.samples


def test_what_was_at_fault_before_is_not_called_again(tmp_path: Path) -> None:
    told = Told()
    late = LateAnswer(reward=0, call=1, message="no answer within 10 s")
    result = told.run(job(GOOD, GOOD, late=(late,)), tmp_path)
    assert result.members[0].failure == late.message
    assert result.members[0].env_steps == 2 * RECIPE.samples
    assert not told.late


SCORED, SCORING = {"event": "scored"}, {"event": "scoring", "reward": 0}


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        pytest.param([{}], "no message of a trainer", marks=pytest.mark.slow),
        pytest.param([SCORED, SCORED], "ended a call that cannot be", marks=pytest.mark.slow),
        pytest.param(
            [SCORED, {"event": "scoring", "reward": 2}],
            "announced a call that cannot be",
            marks=pytest.mark.slow,
        ),
        ([{"event": "progress", "done": 10**6}], "made progress that cannot be"),
        ([SCORED, SCORING], "had been given up"),
        pytest.param([{"event": "done"}], "result cannot be read", marks=pytest.mark.slow),
    ],
    ids=["nothing", "scored", "unknown", "progress", "again", "done"],
)
def test_a_lie_is_the_end_of_the_process(
    tmp_path: Path, messages: list[dict[str, object]], words: str
) -> None:
    with pytest.raises(LockedTrainerError, match=words):
        Told().run(job(FORGES.replace("MESSAGES", repr(messages))), tmp_path)
    assert not list(tmp_path.iterdir())


def test_where_it_cannot_be_had_rewards_run_in_hosts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[TrainJob] = []

    def refused(job: TrainJob, *_: object) -> TrainResult:
        asked.append(job)
        raise LockedTrainerError("CUDA driver error: 304", lasting=True)

    monkeypatch.setattr(trainer, "train_locked", refused)
    with ExitStack() as stack:
        here = Trainer(lambda done, total: None, lambda answer: None, stack)
        results = [here.train(job(GOOD), tmp_path) for _ in range(2)]
    assert len(asked) == 1
    assert all(result.members[0].failure is None for result in results)
    assert all("own process" in result.isolation for result in results)


def test_who_was_given_up_gets_no_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = LateAnswer(reward=0, call=1, message="no answer within 10 s")

    def fails(*given: object) -> TrainResult:
        cast("Callable[[LateAnswer], None]", given[4])(answer)
        raise LockedTrainerError("it ended")

    monkeypatch.setattr(trainer, "train_locked", fails)
    told: list[LateAnswer] = []
    with ExitStack() as stack:
        result = Trainer(lambda a, b: None, told.append, stack).train(job(GOOD, GOOD), tmp_path)
    assert told == [answer]
    assert result.members[0].failure == answer.message
    assert result.members[1].failure is None


def test_a_folder_is_removed_however_deep(tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    here = os.open(top, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("x", dir_fd=here)
        inner = os.open("x", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    (top / "shut").mkdir(mode=0)
    remove(top)
    assert not top.exists()


def _rewrite(change: Callable[[dict[str, Any]], None], folder: Path) -> None:
    path = folder / "result.json"
    said = json.loads(path.read_text())
    change(said)
    path.write_text(json.dumps(said))


def _without_steps(said: dict[str, Any]) -> None:
    said["curves"][0]["env_steps"][1] = None


def _immense(said: dict[str, Any]) -> None:
    said["curves"][1]["kl"][0] = 1e308


def _swap(folder: Path) -> None:
    first, second = (folder / f"member-{i}.safetensors" for i in (0, 1))
    held = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(held)


def _link(folder: Path) -> None:
    path = folder / "member-0.safetensors"
    path.rename(folder / "elsewhere")
    path.symlink_to(folder / "elsewhere")


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder as a process leaves it that trained two members."""
    folder = tmp_path_factory.mktemp("left")
    given = job(GOOD, GOOD)
    task = load_task(TASK)
    table = task.table
    sources = [InlineReward(parse_reward(r.source), table, r.name) for r in given.rewards]
    write_result(folder, train_job(given, task, sources, folder, lambda a, b: None))
    return folder


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: (folder / "result.json").unlink(), "result cannot be read"),
        (lambda folder: (folder / "result.json").write_text("{}"), "result cannot be read"),
        (lambda folder: _rewrite(lambda r: r.update(members=[]), folder), "not that of the job"),
        (lambda folder: _rewrite(lambda r: r.update(curves=[]), folder), "curves are none"),
        (
            lambda folder: _rewrite(lambda r: r.update(curves=[{"<b>": [1.0]}] * 2), folder),
            "curves are none",
        ),
        (lambda folder: (folder / "member-0.safetensors").write_bytes(b"x"), "member 0 is none"),
        (lambda folder: _rewrite(_without_steps, folder), "curves are none"),
        (lambda folder: _rewrite(_immense, folder), "curves are none"),
        (_link, "member 0 is none"),
        (_swap, "member 0 is another's"),
    ],
    ids=[
        "gone",
        "empty",
        "members",
        "curves",
        "name",
        "damaged",
        "steps",
        "immense",
        "link",
        "swapped",
    ],
)
def test_what_comes_out_is_checked(
    tmp_path: Path, left: Path, spoil: Callable[[Path], None], words: str
) -> None:
    folder = tmp_path / "left"
    shutil.copytree(left, folder)
    expected = Expected(job(GOOD, GOOD), load_task(TASK))
    assert expected.read(folder).env_steps == 2 * 3 * RECIPE.samples
    spoil(folder)
    with pytest.raises(LockedTrainerError, match=words):
        expected.read(folder)


def test_what_it_says_of_failed_members_is_cut_to_size(tmp_path: Path, left: Path) -> None:
    folder = tmp_path / "left"
    shutil.copytree(left, folder)

    def boast(said: dict[str, object]) -> None:
        failed = {"checkpoint": None, "env_steps": 10**12, "failure": "\x1b[2J" + "x" * 10_000}
        said.update(members=[failed, failed], env_steps=-1)

    _rewrite(boast, folder)
    result = Expected(job(GOOD, GOOD), load_task(TASK)).read(folder)
    assert result.env_steps == 2 * 3 * RECIPE.samples
    for member in result.members:
        assert member.failure is not None
        assert len(member.failure) == 600
        assert "\x1b" not in member.failure
