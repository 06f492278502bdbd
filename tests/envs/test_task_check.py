"""The check of tasks passes every good task and refuses every mutant for its planted fault."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import mujoco
import numpy as np
import pytest
import torch
from torch import Tensor

from rewardgen_envs.ant.goal import Goal
from rewardgen_envs.cartpole.balance import Balance
from rewardgen_envs.checks.finding import TaskFinding
from rewardgen_envs.checks.pipeline import check_task
from rewardgen_envs.draw import Draw
from rewardgen_envs.features import Feature, FeatureView
from rewardgen_envs.hopper.run import Run as HopperRun
from rewardgen_envs.physics import Physics
from rewardgen_envs.quantities import Quantities
from rewardgen_envs.registry import task_class, task_names
from rewardgen_envs.task import DiscreteAction, Initial, Task
from tests.envs.task_mutants import MUTANTS


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def rules(findings: tuple[TaskFinding, ...]) -> list[str]:
    return [finding.rule for finding in findings]


@pytest.mark.parametrize("name", task_names())
def test_good_task_passes_without_findings(name: str) -> None:
    assert check_task(task_class(name)) == ()


@pytest.mark.parametrize("base", [Balance, HopperRun], ids=lambda base: base.name)
@pytest.mark.parametrize("name", MUTANTS)
def test_mutant_is_refused_for_its_fault(name: str, base: type[Task]) -> None:
    mutant = MUTANTS[name]
    findings = check_task(mutant.plant(base))
    assert findings, f"{name} passed"
    assert set(rules(findings)) <= set(mutant.rules), findings
    assert any(finding.severity == "error" for finding in findings)
    assert all(finding.message and finding.remedy for finding in findings)


class Push(Balance):
    """Discrete actions: left, nothing, right."""

    name = "cartpole/push"

    @property
    def action(self) -> DiscreteAction:
        return DiscreteAction(3)

    def actuate(self, action: Tensor, features: FeatureView) -> Tensor:
        return (action - 1.0).unsqueeze(-1).double()


def test_good_task_with_discrete_actions_passes() -> None:
    assert check_task(Push) == ()


def test_discrete_action_without_effect_is_named() -> None:
    class Deaf(Push):
        def actuate(self, action: Tensor, features: FeatureView) -> Tensor:
            return super().actuate(action.clamp(max=1), features).clamp(min=0.0)

    findings = check_task(Deaf)
    assert set(rules(findings)) == {"action-without-effect"}


def test_variable_that_is_not_drawn_is_named() -> None:
    variable = Goal.variables[0].name

    class Fixed(Goal):
        def reset(self, mask: Tensor, draw: Draw) -> Initial:
            start = super().reset(mask, draw)
            fixed = torch.ones_like(start.variables[variable])
            return replace(start, variables={**start.variables, variable: fixed})

    findings = check_task(Fixed)
    assert rules(findings) == ["variable-constant"]
    assert variable in findings[0].message


def test_contact_force_without_a_sensor_is_refused() -> None:
    class Blind(Balance):
        features = (*Balance.features, Feature("force", (3,), "N", "Contact force on the pole."))

        def measure(self, physics: Physics, variables: Quantities) -> dict[str, Tensor]:
            force = physics.field("cfrc_ext")[:, 2, 3:]
            return super().measure(physics, variables) | {"force": force}

    findings = check_task(Blind)
    assert rules(findings) == ["acceleration-field"]
    assert "cfrc_ext" in findings[0].message


def test_scene_that_differs_each_time_is_refused() -> None:
    class Varied(Balance):
        def scene(self) -> mujoco.MjSpec:
            spec = super().scene()
            geom = spec.geom("pole")
            assert geom is not None
            geom.mass = float(torch.rand(1))
            return spec

    assert "nondeterminism" in rules(check_task(Varied))


@pytest.mark.parametrize(
    ("method", "value"),
    [
        ("measure", 3.0),
        ("measure", {"cart_position": 1.0}),
        ("reset", {"qpos": torch.zeros(3, 2)}),
        ("terminations", torch.ones(3)),
        ("terminations", {"pole_fallen": True}),
        ("fitness", None),
        ("fitness", {"upright_share": np.zeros(3)}),
        ("observation", [1.0]),
        ("actuate", None),
    ],
)
def test_result_that_is_no_tensor_is_a_finding(method: str, value: object) -> None:
    def planted(self: Task, *arguments: object) -> object:
        return value

    changed: Any = type("Changed", (Balance,), {method: planted})
    findings = check_task(changed)
    assert rules(findings)
    assert all(finding.severity == "error" for finding in findings)


def test_code_that_raises_is_named_with_its_line() -> None:
    class Raises(Balance):
        def fitness(self, features: FeatureView) -> dict[str, Tensor]:
            return {"upright_share": features.pole_angel}

    findings = check_task(Raises)
    assert rules(findings) == ["raises"]
    assert "did you mean 'pole_angle'" in findings[0].message
    assert findings[0].line is not None


def test_class_that_cannot_be_built_is_a_finding() -> None:
    class Unfinished(Task):
        name = "mine/unfinished"

    class NoMetrics(Balance):
        metrics = ()

    unfinished: Any = Unfinished
    findings = check_task(unfinished)
    assert rules(findings) == ["method-missing"]
    assert "fitness(), measure(), observation(), reset(), scene()" in findings[0].message
    assert "metric-missing" in rules(check_task(NoMetrics))


def test_feature_declared_twice_is_named() -> None:
    class Twice(Balance):
        features = (*Balance.features, Balance.features[0])

    findings = check_task(Twice)
    assert rules(findings) == ["feature-names"]
    assert "cart_position" in findings[0].message


def test_check_leaves_global_random_numbers_alone() -> None:
    before = torch.get_rng_state(), random.getstate()
    assert check_task(Balance) == ()
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == random.getstate()
