"""What the numbers of observations and actions are, found out from the task."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from rewardgen.export.layout import action_columns, observation_columns
from rewardgen_envs.features import FeatureView
from rewardgen_envs.registry import load_task
from rewardgen_envs.task import Task
from rewardgen_policies.checkpoint import MemberState, Origin
from rewardgen_policies.networks import NetworkSpec
from rewardgen_policies.population import initial_state
from rewardgen_policies.recipe import Recipe
from tests.policies.reward_sources import DiscreteSwingUp


def member(task: Task) -> MemberState:
    spec = NetworkSpec.of(task, (8,))
    return initial_state(spec, Origin(task.name, 1, 1, "", ""), Recipe())


def test_columns_that_copy_a_feature_are_named_with_unit_and_clip() -> None:
    task = load_task("ant/run")
    columns = observation_columns(task, member(task))
    assert [c.index for c in columns] == list(range(105))
    first, second, last = columns[0], columns[1], columns[-1]
    assert (first.copies, first.unit, first.clip) == ("torso_position[2]", "m", None)
    assert second.copies == "torso_quaternion[0]"
    assert (last.copies, last.unit, last.clip) == ("contact_forces[12, 2]", "N", (-1.0, 1.0))
    assert last.depends_on == ("contact_forces",)


def test_columns_equal_what_the_observation_holds() -> None:
    """Whatever is said to be copied is checked on made-up features, clip included."""
    for name in ("hopper/run", "ant/goal", "hopper/back-flip"):
        task = load_task(name)
        data = 30.0 * torch.randn(50, task.table.width, generator=torch.Generator().manual_seed(2))
        seen = task.observation(task.table.view(data))
        for column in observation_columns(task, member(task)):
            assert column.copies is not None
            feature, _, index = column.copies.partition("[")
            value: Tensor = task.table.select(data, feature)
            if index:
                value = value[:, *map(int, index.removesuffix("]").split(","))]
            if column.clip is not None:
                value = value.clamp(*column.clip)
            assert torch.equal(seen[:, column.index], value), column


def test_computed_columns_say_what_they_follow_from() -> None:
    class Computing(type(load_task("cartpole/balance"))):
        def observation(self, features: FeatureView) -> Tensor:
            x, v = features.cart_position, features.cart_velocity
            columns = [x, 2.0 * x, x * v, torch.zeros_like(x), v.clamp(min=0.0), x.abs().sqrt()]
            return torch.stack(columns, dim=-1)

    task = Computing()
    columns = observation_columns(task, member(task))
    assert [c.copies for c in columns] == ["cart_position", *[None] * 3, "cart_velocity", None]
    assert columns[1].depends_on == ("cart_position",)
    assert columns[2].depends_on == ("cart_position", "cart_velocity")
    assert columns[3].depends_on == ()
    assert columns[4].clip == (0.0, None)


def test_columns_carry_the_normalizers_moments() -> None:
    task = load_task("cartpole/balance")
    state = member(task)
    moments = {
        "observation_mean": torch.arange(5.0, dtype=torch.float64),
        "observation_variance": torch.full((5,), 4.0, dtype=torch.float64),
    }
    columns = observation_columns(task, replace(state, tensors=state.tensors | moments))
    assert [(c.mean, c.std) for c in columns] == [(float(i), 2.0) for i in range(5)]


def test_actions_name_what_they_drive() -> None:
    (only,) = action_columns(load_task("cartpole/balance"))
    assert (only.drives, only.control_low, only.control_high) == ("slide", -1.0, 1.0)
    joints = [column.drives for column in action_columns(load_task("ant/run"))]
    assert joints[:3] == ["hip_4", "ankle_4", "hip_1"], "unnamed motors go by their joints"
    assert action_columns(DiscreteSwingUp()) == ()

    class Own(type(load_task("cartpole/balance"))):
        def actuate(self, action: Tensor, features: FeatureView) -> Tensor:
            return 0.5 * action.double()

    (own,) = action_columns(Own())
    assert (own.drives, own.control_low, own.control_high) == (None, None, None)
