"""A worker that is stopped or hangs is ended and replaced; one that does so again ends the job."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from rewardgen.rungs.executor import ExecutorError, LocalExecutor, Patience
from rewardgen.rungs.jobs import MemberSpec, RewardRef, SurveyJob, TrainJob, TrainResult
from rewardgen_policies.recipe import Recipe

RECIPE = Recipe(worlds=4, steps=16, minibatches=2)
BRIEF = Patience(first_s=200.0, least_s=10.0, factor=1.0)
HASTY = Patience(first_s=200.0, least_s=0.5, factor=1.0)
JOB = TrainJob(
    task="cartpole/balance",
    rewards=(RewardRef(kind="human", name="human"),),
    members=(MemberSpec(reward=0, seed=9500), MemberSpec(reward=0, seed=9501)),
    recipe=RECIPE.model_dump(mode="json"),
    rung=0,
    env_steps=40 * RECIPE.samples,
    threads=1,
)


def survey(fitness: str) -> SurveyJob:
    return SurveyJob(task="cartpole/balance", seed=0, worlds=2, fitness=fitness)


def trainers() -> list[int]:
    """Return the processes that train for this one."""
    found: list[int] = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if int(parent) == os.getpid() and words[-3:-1] == [b"train", str(os.getpid()).encode()]:
            found.append(int(folder.name))
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")
def test_a_stopped_trainer_is_replaced_and_the_result_is_the_same(tmp_path: Path) -> None:
    stopped: list[int] = []

    def stop(done: int, total: int) -> None:
        if not stopped:
            stopped.extend(trainers())
            for pid in stopped:
                os.kill(pid, signal.SIGSTOP)

    def checkpoints(result: TrainResult, folder: Path) -> list[bytes]:
        return [(folder / str(member.checkpoint)).read_bytes() for member in result.members]

    with LocalExecutor(tmp_path, patience=BRIEF) as executor:
        disturbed = executor.train("disturbed", JOB, stop, lambda answer: None)
        again = executor.train("again", JOB, lambda done, total: None, lambda answer: None)
    assert len(stopped) == 1
    assert not Path(f"/proc/{stopped[0]}").exists()
    assert checkpoints(*disturbed) == checkpoints(*again)
    assert disturbed[0].curves == again[0].curves


@pytest.mark.slow
def test_an_evaluator_that_hangs_once_is_replaced(tmp_path: Path) -> None:
    mark = tmp_path / "was here"
    fitness = (
        "from pathlib import Path\n"
        "def fitness(state, action, next_state):\n"
        f"    mark = Path({str(mark)!r})\n"
        "    if not mark.exists():\n"
        "        mark.touch()\n"
        "        while True:\n"
        "            pass\n"
        "    return next_state.pole_angle_cosine\n"
    )
    with LocalExecutor(tmp_path / "work", patience=BRIEF) as executor:
        assert executor.survey("survey", survey(fitness)).env_steps > 0


def test_an_evaluator_that_hangs_again_ends_the_job_with_the_cause(tmp_path: Path) -> None:
    hangs = "def fitness(state, action, next_state):\n    while True:\n        pass\n"
    with (
        LocalExecutor(tmp_path, patience=HASTY) as executor,
        pytest.raises(ExecutorError, match=r"job survey failed twice.*evaluate.*stuck.*0\.5 s"),
    ):
        executor.survey("survey", survey(hangs))


def test_patience_grows_with_what_a_job_needs() -> None:
    patience = Patience(first_s=300.0, least_s=120.0, factor=20.0)
    assert patience.allowed_s(None) == 300.0
    assert patience.allowed_s(1.0) == 120.0
    assert patience.allowed_s(30.0) == 600.0
