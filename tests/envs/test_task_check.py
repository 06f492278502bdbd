"""The check of tasks passes every good task and refuses every mutant for its planted fault."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

import mujoco
import numpy as np
import pytest
import torch
from torch import Tensor

from rewardgen_envs.ant.goal import Goal
from rewardgen_envs.ant.run import Run as AntRun
from rewardgen_envs.cartpole.balance import Balance
from rewardgen_envs.checks.finding import TaskFinding
from rewardgen_envs.checks.pipeline import check_task
from rewardgen_envs.checks.subject import Subject
from rewardgen_envs.checks.texts import texts
from rewardgen_envs.draw import Draw
from rewardgen_envs.features import Feature, FeatureView
from rewardgen_envs.hopper.run import Run as HopperRun
from rewardgen_envs.physics import Physics
from rewardgen_envs.quantities import Quantities
from rewardgen_envs.registry import task_class, task_names
from rewardgen_envs.task import DiscreteAction, Initial, Task
from rewardgen_envs.trackers import Rule, Tracker
from tests.envs.task_mutants import MUTANTS


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def rules(findings: tuple[TaskFinding, ...]) -> list[str]:
    return [finding.rule for finding in findings]


@pytest.mark.slow  # part of the check with the human reward, which tests/rewardgen/check has
@pytest.mark.parametrize("name", task_names())
def test_good_task_passes_without_findings(name: str) -> None:
    assert check_task(task_class(name)) == ()


@pytest.mark.parametrize(
    "base",
    [Balance, pytest.param(HopperRun, marks=pytest.mark.slow)],  # two seconds for each mutant
    ids=lambda base: base.name,
)
@pytest.mark.parametrize(
    "name",  # every second one is slow
    [pytest.param(name, marks=[pytest.mark.slow] * (i % 2)) for i, name in enumerate(MUTANTS)],
)
def test_mutant_is_refused_for_its_fault(name: str, base: type[Task]) -> None:
    mutant = MUTANTS[name]
    findings = check_task(mutant.plant(base))
    assert findings, f"{name} passed"
    assert set(rules(findings)) <= set(mutant.rules), findings
    assert any(finding.severity == "error" for finding in findings)
    assert all(finding.message and finding.remedy for finding in findings)


def remarks_on(unit: str) -> list[TaskFinding]:
    first = replace(Balance.features[0], unit=unit)
    changed = type("Changed", (Balance,), {"features": (first, *Balance.features[1:])})
    return list(texts(Subject(changed)))


@pytest.mark.parametrize("unit", ["deg", "mph", "furlong", "%", "°/s", "km"])
def test_a_unit_that_nothing_here_knows_is_remarked_on(unit: str) -> None:
    (finding,) = remarks_on(unit)
    assert (finding.rule, finding.severity) == ("unit-unknown", "warning")
    assert f"'{Balance.features[0].name}'" in finding.message
    assert f"'{unit}'" in finding.message
    assert "rad" in finding.remedy


@pytest.mark.parametrize("unit", ["m/s²", "m/s^2", "kg·m²/s", "N m", "1/s", "m s⁻¹", "px", "J"])
def test_products_of_units_are_units(unit: str) -> None:
    assert not remarks_on(unit)


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


def low(features: FeatureView) -> Tensor:
    return features.torso_low > 0.5


def below(features: FeatureView) -> Tensor:
    return features.torso_position[..., 2] < 0.2


def too_fast(features: FeatureView) -> Tensor:
    return features.out_of_range > 0.5


@pytest.mark.parametrize("method", ["fitness", "observation", "sparse_reward"])
@pytest.mark.parametrize(
    ("base", "ends", "cause", "value"),
    [
        (AntRun, low, "torso_low", "torso_low = 1"),
        (AntRun, below, "torso_low", "torso_position = ("),
        (HopperRun, too_fast, "out_of_range", "out_of_range = 1"),
    ],
)
def test_nan_by_a_cause_that_play_never_meets_is_named(
    base: type[Task], ends: Callable[[FeatureView], Tensor], cause: str, value: str, method: str
) -> None:
    class Changed(base):
        def fitness(self, features: FeatureView) -> dict[str, Tensor]:
            values = super().fitness(features)
            if method != "fitness":
                return values
            return {k: torch.where(ends(features), torch.nan, v) for k, v in values.items()}

        def observation(self, features: FeatureView) -> Tensor:
            seen = super().observation(features)
            broken = ends(features).unsqueeze(-1) & (method == "observation")
            return torch.where(broken, torch.nan, seen)

        def sparse_reward(
            self, state: FeatureView, action: Tensor, next_state: FeatureView
        ) -> Tensor:
            reward = super().sparse_reward(state, action, next_state)
            broken = ends(next_state) & (method == "sparse_reward")
            return torch.where(broken, torch.nan, reward)

    findings = check_task(Changed)
    assert rules(findings) == [f"{method.removesuffix('_reward')}-finite"]
    culprit = {"fitness": "metric 'speed'", "sparse_reward": "the sparse reward"}
    assert culprit.get(method, "the observation") in findings[0].message
    assert f"'{cause}'" in findings[0].message
    # an observation reads too much to show all of it
    assert (value if method != "observation" else "for example where") in findings[0].message


def test_nan_by_a_cause_that_needs_time_is_named() -> None:
    class Late(Balance):
        causes: ClassVar[Mapping[str, str]] = {**Balance.causes, "late": "It is 8 s."}

        def terminations(self, features: FeatureView) -> dict[str, Tensor]:
            return super().terminations(features) | {"late": features.episode_time_s > 8.0}

        def fitness(self, features: FeatureView) -> dict[str, Tensor]:
            upright = super().fitness(features)["balanced_share"].float()
            return {"balanced_share": torch.where(features.late > 0.5, torch.nan, upright)}

    findings = check_task(Late)
    assert rules(findings) == ["fitness-finite"]
    assert "'late'" in findings[0].message


def test_endings_lie_where_their_cause_begins() -> None:
    for base in (AntRun, HopperRun, Balance):
        subject = Subject(base)
        view = subject.task.table.view
        assert [ending.cause for ending in subject.endings] == list(base.causes)
        for ending in subject.endings:
            before = subject.task.terminations(view(ending.state))
            after = subject.task.terminations(view(ending.next_state))
            assert not torch.stack(list(before.values())).any()
            assert bool(after[ending.cause].all())
            assert bool((view(ending.next_state).terminated == 1.0).all())
    low = Subject(AntRun).endings[0].next_state
    heights = AntRun().table.view(low).torso_position[:, 2]
    assert float((heights - 0.2).abs().max()) < 0.01


@pytest.mark.parametrize("reader", ["derive", "tracker", "function"])
def test_quantity_that_something_reads_needs_no_declaration(reader: str) -> None:
    def own_helper(quantities: Quantities) -> Tensor:
        return quantities.helper if reader == "function" else quantities.cart_velocity.abs()

    class Helped(Balance):
        features = (*Balance.features, Feature("kinetic", (), "m²/s²", "Half the speed squared."))
        trackers = (
            Tracker(
                Feature("fastest", (), "m/s", "Largest velocity so far."),
                source="helper" if reader == "tracker" else own_helper,
                rule=Rule.MAXIMUM,
            ),
        )

        def measure(self, physics: Physics, variables: Quantities) -> dict[str, Tensor]:
            measured = super().measure(physics, variables)
            return measured | {"helper": measured["cart_velocity"].abs()}

        def derive(self, quantities: Quantities) -> dict[str, Tensor]:
            speed = quantities.helper if reader == "derive" else quantities.cart_velocity
            return {"kinetic": 0.5 * speed.square()}

    assert check_task(Helped) == ()


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
        ("fitness", {"balanced_share": np.zeros(3)}),
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
            return {"balanced_share": features.pole_angel}

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
