"""Member i is the same, bit for bit, whatever trains beside it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from rewardgen_envs.features import FeatureView
from rewardgen_envs.task import Task
from rewardgen_policies.curves import Curve
from rewardgen_policies.recipe import Recipe
from rewardgen_policies.rung import shards
from rewardgen_policies.train import Member, TrainResult, train
from tests.policies.reward_sources import FunctionSource, upright

UPDATES = 20
SEEDS = [11, 12, 13, 14, 15, 16, 17, 18]


@pytest.fixture
def recipe(tiny: Recipe) -> Recipe:
    return tiny


def run(
    task: Task, recipe: Recipe, sources: list[FunctionSource], seeds: list[int], threads: int = 1
) -> TrainResult:
    members = [Member(source, seed) for source, seed in zip(sources, seeds, strict=True)]
    return train(task, members, recipe, UPDATES * recipe.samples, threads=threads)


def same(left: TrainResult, i: int, right: TrainResult, j: int) -> bool:
    a, b = left.states[i], right.states[j]
    assert a.tensors.keys() == b.tensors.keys()
    equal = all(torch.equal(a.tensors[name], b.tensors[name]) for name in a.tensors)
    return equal and a.counters == b.counters and same_curve(left.curves[i], right.curves[j])


def same_curve(left: Curve, right: Curve) -> bool:
    names = left.values.keys()
    assert names == right.values.keys()
    return all(np.array_equal(left.values[n], right.values[n], equal_nan=True) for n in names)


def make(count: int, *, scale: float = 1.0, nan_from: int | None = None) -> list[FunctionSource]:
    """Sources of ``count`` members; the first stays as it is."""
    others = [FunctionSource(upright, scale=scale, nan_from=nan_from) for _ in range(count - 1)]
    return [FunctionSource(upright), *others]


def test_same_in_populations_of_1_5_and_8(balance: Task, recipe: Recipe) -> None:
    alone = run(balance, recipe, make(1), SEEDS[:1])
    five = run(balance, recipe, make(5), SEEDS[:5])
    eight = run(balance, recipe, make(8), SEEDS)
    assert alone.states[0].counters.updates == UPDATES
    assert same(alone, 0, five, 0)
    for i in range(5):
        assert same(five, i, eight, i)
    moved = run(balance, recipe, make(5), SEEDS[3:])
    assert all(same(moved, i, eight, i + 3) for i in range(5))


@pytest.mark.parametrize(
    "change",
    [{"scale": 1e6}, {"nan_from": 3}, {"nan_from": 0}, {"scale": 3e38}],
)
def test_same_whatever_happens_to_the_neighbours(
    balance: Task, recipe: Recipe, change: dict[str, Any]
) -> None:
    undisturbed = run(balance, recipe, make(5), SEEDS[:5])
    disturbed = run(balance, recipe, make(5, **change), SEEDS[:5])
    assert disturbed.failures[0] is None
    assert same(undisturbed, 0, disturbed, 0)
    if "scale" not in change:
        assert all(failure is not None for failure in disturbed.failures[1:])


def test_same_with_uneven_sizes_and_one_action(swing_up: Task, tiny: Recipe) -> None:
    # multiples of 16: some processors' BLAS rounds by where in memory a member's numbers lie
    uneven = tiny.model_copy(
        update={"worlds": 16, "steps": 9, "minibatches": 3, "hidden": (48, 16)}
    )
    few = train(swing_up, [Member(make(1)[0], 21)], uneven, 10 * uneven.samples, threads=1)
    many = train(
        swing_up,
        [Member(s, seed) for s, seed in zip(make(5), [20, 21, 22, 23, 24], strict=True)],
        uneven,
        10 * uneven.samples,
        threads=1,
    )
    assert same(few, 0, many, 1)


def test_same_with_choices(discrete_swing_up: Task, recipe: Recipe) -> None:
    def reward(state: FeatureView, action: Tensor, next_state: FeatureView) -> Tensor:
        return next_state.pole_angle_cosine - 0.1 * (action == 0)

    sources = [FunctionSource(reward) for _ in range(5)]
    few = run(discrete_swing_up, recipe, [FunctionSource(reward)], SEEDS[2:3])
    many = run(discrete_swing_up, recipe, sources, SEEDS[:5])
    assert same(few, 0, many, 2)


def test_same_with_any_number_of_threads(balance: Task, recipe: Recipe) -> None:
    one = run(balance, recipe, make(5), SEEDS[:5], threads=1)
    three = run(balance, recipe, make(5), SEEDS[:5], threads=3)
    assert all(same(one, i, three, i) for i in range(5))


def test_members_differ_by_seed(balance: Task, recipe: Recipe) -> None:
    result = run(balance, recipe, make(2), SEEDS[:2])
    twice = run(balance, recipe, make(2), SEEDS[:1] * 2)
    name = "parameters.actor.0.weight"
    assert not torch.equal(result.states[0].tensors[name], result.states[1].tensors[name])
    assert torch.equal(twice.states[0].tensors[name], twice.states[1].tensors[name])
    assert replace(twice.states[0].origin) == twice.states[1].origin


@pytest.mark.parametrize("members", [1, 2, 5, 16, 17, 40])
@pytest.mark.parametrize("threads", [1, 2, 3, 16])
def test_shards_cover_all_members_once_and_evenly(members: int, threads: int) -> None:
    ranges = shards(members, threads)
    assert [i for start, stop in ranges for i in range(start, stop)] == list(range(members))
    sizes = [stop - start for start, stop in ranges]
    assert max(sizes) <= 8
    assert max(sizes) - min(sizes) <= 1
    assert len(ranges) >= min(members, threads)
