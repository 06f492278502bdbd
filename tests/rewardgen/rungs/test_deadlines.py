"""A reward that was too late once is too late at the same call of every repetition."""

from __future__ import annotations

from pathlib import Path

import pytest

from rewardgen.rungs.executor import LocalExecutor
from rewardgen.rungs.jobs import LateAnswer, MemberSpec, RewardRef, TrainJob, TrainResult
from rewardgen_policies.recipe import Recipe

RECIPE = Recipe(worlds=4, steps=16, minibatches=2)
GOOD = """\
def compute_reward(state, action, next_state):
    up = next_state.pole_angle_cosine
    return up, {"up": up}
"""
ENDLESS = """\
def compute_reward(state, action, next_state):
    while True:
        pass
"""


def job(source: str, late: tuple[LateAnswer, ...] = ()) -> TrainJob:
    rewards = (
        RewardRef(kind="code", name="c0", source=source),
        RewardRef(kind="code", name="c1", source=GOOD),
    )
    return TrainJob(
        task="cartpole/balance",
        rewards=rewards,
        members=tuple(MemberSpec(reward=i, seed=9300 + i) for i in (0, 1)),
        recipe=RECIPE.model_dump(mode="json"),
        rung=0,
        env_steps=3 * RECIPE.samples,
        late=late,
    )


def trained(
    executor: LocalExecutor, name: str, given: TrainJob, fired: list[LateAnswer]
) -> tuple[TrainResult, bytes]:
    """Return the result and the neighbour's checkpoint."""
    result, directory = executor.train(name, given, lambda done, total: None, fired.append)
    checkpoint = result.members[1].checkpoint
    assert checkpoint is not None
    return result, (directory / checkpoint).read_bytes()


@pytest.mark.slow
def test_a_deadline_that_fires_is_reported(tmp_path: Path) -> None:
    fired: list[LateAnswer] = []
    with LocalExecutor(tmp_path) as executor:
        result, _ = trained(executor, "first", job(ENDLESS), fired)
    assert [(f.reward, f.call) for f in fired] == [(0, 0)]
    assert "no answer within" in fired[0].message
    assert result.members[0].failure == fired[0].message
    assert result.members[0].env_steps == RECIPE.samples


def test_a_deadline_that_fired_before_is_replayed_not_timed_again(tmp_path: Path) -> None:
    fired: list[LateAnswer] = []
    late = LateAnswer(reward=0, call=1, message="no answer within 10 s")
    with LocalExecutor(tmp_path) as executor:
        calm, neighbour = trained(executor, "calm", job(GOOD), fired)
        result, same_neighbour = trained(executor, "again", job(GOOD, (late,)), fired)
    assert calm.members[0].failure is None
    assert result.members[0].failure == late.message
    assert result.members[0].env_steps == 2 * RECIPE.samples
    assert result.members[1] == calm.members[1]
    assert same_neighbour == neighbour
    assert not fired
