"""A population in shares gives what it gives in one piece."""

from __future__ import annotations

from pathlib import Path

import pytest

from rewardgen.rungs.executor import ExecutorError, LocalExecutor
from rewardgen.rungs.jobs import LateAnswer, MemberSpec, RewardRef, TrainJob, TrainResult
from rewardgen.rungs.shares import MOST_PROCESSES, divide, join, processes
from rewardgen_envs.engines.choice import CPU, EngineChoice
from rewardgen_policies.recipe import Recipe

RECIPE = Recipe(worlds=4, steps=16, minibatches=2)
UP = """\
def compute_reward(state, action, next_state):
    up = next_state.pole_angle_cosine
    return up, {"up": up}
"""
STILL = """\
def compute_reward(state, action, next_state):
    still = -next_state.cart_velocity.abs()
    return still, {"still": still}
"""


def job(members: tuple[int, ...] = (0, 0, 1, 1, 1), **changes: object) -> TrainJob:
    """Return a job; ``members`` names the reward of each."""
    values = {
        "task": "cartpole/balance",
        "rewards": (
            RewardRef(kind="code", name="up", source=UP),
            RewardRef(kind="code", name="still", source=STILL),
        ),
        "members": tuple(MemberSpec(reward=r, seed=9400 + i) for i, r in enumerate(members)),
        "recipe": RECIPE.model_dump(mode="json"),
        "rung": 0,
        "env_steps": 3 * RECIPE.samples,
        "threads": 2,
        **changes,
    }
    return TrainJob.model_validate(values)


def trained(
    executor: LocalExecutor, name: str, given: TrainJob
) -> tuple[TrainResult, list[bytes], list[tuple[int, int]]]:
    """Return the result, the checkpoints and the progress that was told."""
    told: list[tuple[int, int]] = []

    def progress(done: int, total: int) -> None:
        told.append((done, total))

    result, directory = executor.train(name, given, progress, lambda answer: None)
    paths = [directory / m.checkpoint for m in result.members if m.checkpoint is not None]
    return result, [path.read_bytes() for path in paths], told


def test_shares_change_nothing_but_the_duration(tmp_path: Path) -> None:
    with LocalExecutor(tmp_path) as executor:
        whole, one, told_one = trained(executor, "whole", job(threads=1))
        parts, two, told_two = trained(executor, "parts", job(threads=2))
    assert len(one) == 5
    assert one == two
    assert whole.curves == parts.curves
    assert whole.env_steps == parts.env_steps
    assert [m.env_steps for m in whole.members] == [m.env_steps for m in parts.members]
    samples, total = RECIPE.samples, 3 * RECIPE.samples
    assert told_one == [(samples * i, total) for i in (1, 2, 3)]
    assert told_two[-1] == (total, total)
    assert told_two == sorted(set(told_two))


def test_members_rewards_and_threads_are_cut_evenly() -> None:
    first, second = divide(job(threads=5), 2)
    assert [m.reward for m in first.job.members] == [0, 0]
    assert [m.reward for m in second.job.members] == [0, 0, 0]
    assert [r.name for r in second.job.rewards] == ["still"]
    assert (first.rewards, second.rewards) == ((0,), (1,))
    assert first.job.threads is not None and second.job.threads is not None
    assert first.job.threads + second.job.threads == 5
    assert len(divide(job(), 1)) == 1


@pytest.mark.parametrize(
    ("members", "threads", "expected"),
    [(16, 2, 2), (1, 2, 1), (3, 1, 1), (2, 16, 2), (40, 16, MOST_PROCESSES)],
)
def test_no_process_is_without_members_or_thread(members: int, threads: int, expected: int) -> None:
    assert processes(members, threads, (CPU,)) == expected


@pytest.mark.parametrize(("members", "gpus", "expected"), [(16, 1, 1), (16, 2, 2), (1, 4, 1)])
def test_a_gpu_takes_one_process(members: int, gpus: int, expected: int) -> None:
    engines = tuple(EngineChoice("warp", f"cuda:{i}") for i in range(gpus))
    assert processes(members, 8, engines) == expected
    given = job(members=(0,) * members).model_copy(update={"engines": engines})
    shares = divide(given, expected)
    assert [share.job.engines for share in shares] == [(engines[i],) for i in range(expected)]


def test_a_late_answer_goes_to_the_share_that_it_came_from() -> None:
    given = job(members=(0, 1, 1, 1))
    first, second = divide(given, 2)
    found = second.late(LateAnswer(reward=0, call=3, message="late"))
    assert found == LateAnswer(reward=1, call=3, message="late", seed=9402)
    again = divide(given.model_copy(update={"late": (found,)}), 2)
    assert [share.job.late for share in again] == [
        (),
        (LateAnswer(reward=0, call=3, message="late", seed=9402),),
    ]
    # of an earlier version, without a seed: all members of the reward
    whole = LateAnswer(reward=1, call=3, message="late")
    shares = divide(given.model_copy(update={"late": (whole,)}), 2)
    assert [[answer.reward for answer in share.job.late] for share in shares] == [[1], [0]]
    assert first.rewards == (0, 1)


def test_checkpoints_are_found_from_the_directory_of_the_job() -> None:
    given = {"members": ({"checkpoint": "a", "env_steps": 1},), "env_steps": 1, "wall_s": 2.0}
    one = TrainResult.model_validate({**given, "curves": ({"x": [1.0]},), "isolation": ("clean",)})
    lost = TrainResult.model_validate(
        {
            "members": ({"checkpoint": None, "env_steps": 1, "failure": "no"},),
            "curves": ({"x": [None]},),
            "env_steps": 1,
            "wall_s": 3.0,
            "isolation": ("clean", "seccomp"),
        }
    )
    joined = join([one, lost], ["share-0", "share-1"])
    assert [m.checkpoint for m in joined.members] == ["share-0/a", None]
    assert (joined.env_steps, joined.wall_s) == (2, 3.0)
    assert joined.isolation == ("clean",), "what every host had"


@pytest.mark.slow
def test_a_share_that_cannot_be_trained_ends_the_others(tmp_path: Path) -> None:
    missing = MemberSpec(reward=1, seed=1, checkpoint=str(tmp_path / "missing"))
    given = job(members=(0, 0), env_steps=10_000_000)
    given = given.model_copy(update={"members": (given.members[0], missing)})
    with LocalExecutor(tmp_path) as executor:
        with pytest.raises(ExecutorError, match="missing"):
            trained(executor, "broken", given)
        # the executor is as good as new
        _, checkpoints, _ = trained(executor, "good", job())
    assert len(checkpoints) == 5
