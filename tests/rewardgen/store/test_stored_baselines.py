"""Stored baselines: the normalized score, what is kept of a policy, damaged files."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
import torch

from rewardgen.store.baselines import (
    DIRECTORY,
    Baseline,
    BaselineArm,
    BaselineError,
    baseline_file,
    load_baseline,
)
from rewardgen_envs.registry import load_task, task_names
from rewardgen_policies.checkpoint import CheckpointError, Origin
from rewardgen_policies.evaluation import evaluate
from rewardgen_policies.networks import NetworkSpec
from rewardgen_policies.population import initial_state
from rewardgen_policies.recipe import Recipe
from rewardgen_policies.stored_policy import (
    StoredPolicyError,
    load_policy,
    policy_bytes,
    policy_file,
)

STORED = [name for name in task_names() if baseline_file(name).is_file()]


def arm(iqm: float, half: float) -> BaselineArm:
    return BaselineArm(
        points=(iqm - half, iqm + half),
        iqm=iqm,
        interval=(iqm - half, iqm + half),
        success=None,
        curve=None,
    )


def baseline(human: BaselineArm, sparse: BaselineArm, *, higher_is_better: bool = True) -> Baseline:
    return Baseline(
        task="robot/walk",
        task_version=1,
        scene_sha256="0" * 64,
        metric="speed",
        unit="m/s",
        higher_is_better=higher_is_better,
        success_threshold=None,
        human_sha256="1" * 64,
        recipe_sha256="2" * 64,
        env_steps=1000,
        seed=0,
        train_seeds=2,
        eval_episodes=1,
        random=arm(0.0, 0.1),
        sparse=sparse,
        human=human,
        correlations={},
        wall_s=1.0,
        processor="",
        versions={},
    )


@pytest.mark.parametrize(
    ("human", "sparse", "higher", "fitness", "score"),
    [
        (3.0, 1.0, True, 4.0, 1.5),
        (3.0, 1.0, True, 1.0, 0.0),
        (1.0, 3.0, True, 4.0, 0.5),  # sparse is the better: more is still better
        (1.0, 3.0, False, 1.0, 1.0),  # an error that the human reward brings down
        (1.0, 3.0, False, 4.0, -0.5),
    ],
)
def test_score_is_0_at_sparse_and_grows_with_what_is_better(
    human: float, sparse: float, higher: bool, fitness: float, score: float
) -> None:
    stored = baseline(arm(human, 0.5), arm(sparse, 0.5), higher_is_better=higher)
    assert stored.normalized(fitness) == pytest.approx(score)


@pytest.mark.parametrize(("half", "overlap"), [(0.9, False), (1.0, True), (5.0, True)])
def test_score_is_undefined_where_the_intervals_share_a_point(half: float, overlap: bool) -> None:
    stored = baseline(arm(3.0, half), arm(1.0, 1.0))
    assert stored.overlap == overlap
    assert (stored.normalized(2.0) is None) == overlap


def test_stored_policy_acts_like_the_one_it_was_made_from(tmp_path: Path) -> None:
    task = load_task("cartpole/balance")
    recipe = Recipe()
    origin = Origin(task.name, task.version, 7, "0" * 64, recipe.sha256)
    state = initial_state(NetworkSpec.of(task, recipe.hidden), origin, recipe)
    for name, tensor in state.tensors.items():
        if name.startswith("adam_"):
            tensor.fill_(0.5)
    policy_file(task.name, tmp_path).write_bytes(policy_bytes(state))
    kept = load_policy(task.name, tmp_path)
    assert kept is not None
    assert policy_bytes(kept) == policy_bytes(state)
    first, second = (evaluate(task, [s], (1, 2)) for s in (state, kept))
    assert torch.equal(first.fitness[task.metric.name], second.fitness[task.metric.name])
    assert not any(bool(v.any()) for k, v in kept.tensors.items() if k.startswith("adam_"))


def test_nothing_stored_is_no_error(tmp_path: Path) -> None:
    assert load_baseline(baseline_file("robot/walk", tmp_path)) is None
    assert load_policy("robot/walk", tmp_path) is None


@pytest.mark.parametrize("text", ["", "{}", '{"format": 2}', "[]"])
def test_damaged_baseline_is_named(tmp_path: Path, text: str) -> None:
    file = baseline_file("robot/walk", tmp_path)
    file.write_text(text)
    with pytest.raises(BaselineError, match=r"robot-walk\.json is no baseline"):
        load_baseline(file)


def test_damaged_policy_is_named(tmp_path: Path) -> None:
    file = policy_file("robot/walk", tmp_path)
    file.write_bytes(b"no gzip")
    with pytest.raises(StoredPolicyError, match=r"robot-walk\.policy\.gz is no stored policy"):
        load_policy("robot/walk", tmp_path)
    file.write_bytes(gzip.compress(b"no checkpoint"))
    with pytest.raises(CheckpointError, match=r"robot-walk\.policy\.gz"):
        load_policy("robot/walk", tmp_path)


@pytest.mark.parametrize("name", STORED)
def test_what_is_shipped_belongs_to_the_task_as_it_is(name: str) -> None:
    task, stored = load_task(name), load_baseline(baseline_file(name))
    assert stored is not None
    assert (stored.task, stored.task_version) == (name, task.version)
    assert stored.scene_sha256 == task.scene_sha256
    assert (stored.metric, stored.success_threshold) == (task.metric.name, task.metric.success)
    assert stored.train_seeds >= 10
    assert len(stored.human.points) == len(stored.sparse.points) == stored.train_seeds
    policy = load_policy(name)
    assert policy is not None
    assert policy.origin.task == name
    assert policy.spec == NetworkSpec.of(task, policy.spec.hidden)


def test_what_is_shipped_is_small() -> None:
    assert sum(file.stat().st_size for file in DIRECTORY.glob("*")) <= 5 * 2**20
