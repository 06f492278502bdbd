"""Worlds that differ: what is drawn, what it does to the physics, what stays as it is."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import mujoco
import pytest
import torch
from torch import Tensor

from rewardgen.config import recipe_path
from rewardgen_envs.checks.pipeline import check_task
from rewardgen_envs.draw import Draw
from rewardgen_envs.errors import UsageError
from rewardgen_envs.features import Feature, FeatureView
from rewardgen_envs.metrics import Metric
from rewardgen_envs.physics import Physics
from rewardgen_envs.quantities import Quantities
from rewardgen_envs.randomization import Randomization, parse_randomization, randomized
from rewardgen_envs.registry import load_task, task_class
from rewardgen_envs.scene import compile_scene
from rewardgen_envs.simulation import Simulation
from rewardgen_envs.task import Initial, Task

ALL = "mass=0.2,friction=0.3,motor=0.1"
GRAVITY = 10.0
SCENE = f"""
<mujoco>
  <option timestep="0.01" gravity="0 0 -{GRAVITY}"/>
  <worldbody>
    <geom name="floor" type="plane" size="9 9 1" friction="0.5"/>
    <body name="car" pos="0 0 5">
      <joint name="rail" type="slide" axis="1 0 0"/>
      <geom type="box" size="0.1 0.1 0.1" mass="2" contype="0" conaffinity="0"/>
    </body>
    <body name="puck" pos="0 2 0.1">
      <joint name="puck_x" type="slide" axis="1 0 0"/>
      <joint name="puck_z" type="slide" axis="0 0 1"/>
      <geom type="sphere" size="0.1" mass="1" friction="0.5"/>
    </body>
  </worldbody>
  <actuator><motor joint="rail" gear="8" ctrlrange="-1 1"/></actuator>
</mujoco>
"""


class Rail(Task):
    """A car of 2 kg that a motor pushes with 8 N; a puck that slides to a stop."""

    name = "rail/push"
    description = "Push the car."
    decimation = 1
    episode_s = 0.5
    features = (
        Feature("car_velocity", (), "m/s", "Velocity of the car."),
        Feature("puck_velocity", (), "m/s", "Velocity of the puck."),
    )
    metrics: ClassVar[tuple[Metric, ...]] = (Metric("speed", "m/s", "Speed of the car."),)
    human_reward = Path(__file__)

    def scene(self) -> mujoco.MjSpec:
        return mujoco.MjSpec.from_string(SCENE)

    def measure(self, physics: Physics, variables: Quantities) -> dict[str, Tensor]:
        return {
            "car_velocity": physics.joint_velocity("rail"),
            "puck_velocity": physics.joint_velocity("puck_x"),
        }

    def observation(self, features: FeatureView) -> Tensor:
        return torch.stack([features.car_velocity, features.puck_velocity], dim=-1)

    def reset(self, mask: Tensor, draw: Draw) -> Initial:
        velocity = draw.uniform("velocity", (3,), 0.0, 0.0)
        velocity[:, 1] = 3.0  # the puck slides
        return Initial(qpos=torch.zeros_like(velocity), qvel=velocity)

    def fitness(self, features: FeatureView) -> dict[str, Tensor]:
        return {"speed": features.car_velocity}


def push(task: Task, steps: int, worlds: int = 16) -> FeatureView:
    simulation = Simulation(task, [3], worlds)
    for _ in range(steps):
        simulation.step(torch.ones(worlds, 1))
    view = task.table.view(simulation.state.clone())
    simulation.close()
    return view


def test_each_world_accelerates_by_its_own_motor_and_mass() -> None:
    seen = push(randomized(Rail, Randomization(mass=0.4, motor=0.3))(), 20)
    assert seen.mass_scale.min() >= 0.6
    assert seen.mass_scale.max() <= 1.4
    assert seen.mass_scale.std() > 0.1
    assert (seen.motor_scale - 1.0).abs().max() <= 0.3
    force, mass = 8.0 * seen.motor_scale, 2.0 * seen.mass_scale
    assert torch.allclose(seen.car_velocity, 0.2 * force / mass, rtol=1e-5)


def test_friction_brakes_each_world_by_its_own_coefficient() -> None:
    seen = push(randomized(Rail, Randomization(friction=0.5))(), 40)
    assert seen.friction_scale.std() > 0.1
    for scale, velocity in zip(seen.friction_scale[:4], seen.puck_velocity[:4], strict=True):
        friction = " ".join(str(each * float(scale)) for each in (0.5, 0.005, 0.0001))
        written = SCENE.replace('friction="0.5"', f'friction="{friction}"')
        model = compile_scene(mujoco.MjSpec.from_string(written), "rail/push")
        data = mujoco.MjData(model)
        data.qvel[1] = 3.0
        mujoco.mj_step(model, data, nstep=40)
        assert float(velocity) == pytest.approx(data.qvel[1], abs=1e-5)


def test_worlds_are_drawn_anew_each_episode_and_by_the_seed_alone() -> None:
    task = randomized(Rail, Randomization(mass=0.5))()
    alone, beside = Simulation(task, [5], 4), Simulation(task, [9, 5], 4)
    first = task.table.view(alone.state).mass_scale.clone()
    assert torch.equal(first, task.table.view(beside.state).mass_scale[4:])
    for _ in range(task.episode_steps):
        alone.step(torch.zeros(4, 1))
    second = task.table.view(alone.state).mass_scale
    assert (first != second).all()
    for simulation in (alone, beside):
        simulation.close()


def test_without_options_nothing_changes() -> None:
    plain, same = push(Rail(), 20), push(randomized(Rail, Randomization())(), 20)
    assert torch.equal(plain.car_velocity, same.car_velocity)
    assert torch.allclose(plain.car_velocity, torch.tensor(0.2 * 4.0))


def test_option_is_part_of_the_name_and_leaves_scene_recipe_and_observation() -> None:
    plain, task = load_task("ant/run"), load_task(f"ant/run@{ALL}")
    assert task.name == f"ant/run@{ALL}"
    assert (task.scene_sha256, task.observation_size) == (
        plain.scene_sha256,
        plain.observation_size,
    )
    assert recipe_path(task.name, None) == recipe_path(plain.name, None)
    added = set(task.table.names) - set(plain.table.names)
    assert added == {"mass_scale", "friction_scale", "motor_scale"}


@pytest.mark.parametrize("name", ["cartpole/balance", "hopper/run"])
def test_contract_holds_with_worlds_that_differ(name: str) -> None:
    assert check_task(task_class(f"{name}@{ALL}")) == ()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("mas=0.2", "no randomization 'mas'; did you mean 'mass'"),
        ("mass", "'' is no number"),
        ("mass=much", "'much' is no number"),
        ("mass=-0.1", "must lie between 0 and 0.9"),
        ("mass=1", "must lie between 0 and 0.9"),
        ("mass=nan", "must lie between 0 and 0.9"),
        ("", "no randomization ''"),
    ],
)
def test_wrong_options_are_named(options: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_task(f"ant/run@{options}")
    assert told in str(caught.value)


def test_options_are_read_as_written() -> None:
    assert parse_randomization(ALL) == Randomization(mass=0.2, friction=0.3, motor=0.1)
    assert str(parse_randomization(ALL)) == ALL
    with pytest.raises(UsageError, match="unknown task 'ant/rum'"):
        load_task("ant/rum@mass=0.2")
