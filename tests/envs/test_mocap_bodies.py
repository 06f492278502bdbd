"""Bodies that stand where a task puts them: in every engine, at resets and before steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import mujoco
import pytest
import torch
from torch import Tensor

from rewardgen_envs.checks.pipeline import check_task
from rewardgen_envs.contacts import probed_budget
from rewardgen_envs.draw import Draw
from rewardgen_envs.engines.base import Engine
from rewardgen_envs.engines.choice import Budget, EngineChoice
from rewardgen_envs.engines.mujoco_batch import MujocoBatchEngine
from rewardgen_envs.engines.mujoco_data import MujocoDataEngine
from rewardgen_envs.features import Feature, FeatureView
from rewardgen_envs.metrics import Metric
from rewardgen_envs.mocap import mocap_row, write_mocap
from rewardgen_envs.physics import Physics
from rewardgen_envs.quantities import Quantities
from rewardgen_envs.scene import SceneError
from rewardgen_envs.simulation import Simulation
from rewardgen_envs.task import BoxAction, Initial, Task, TaskError

torch.set_num_threads(1)
SCENE = """
<mujoco>
  <option timestep="0.01" gravity="0 0 0"/>
  <worldbody>
    <body name="post" mocap="true" pos="0 0 2"><geom size="0.1" contype="0" conaffinity="0"/></body>
    <body name="leash" mocap="true"><geom size="0.1" contype="0" conaffinity="0"/></body>
    <body name="dog"><freejoint name="dog"/><geom size="0.1" contype="0" conaffinity="0"/></body>
  </worldbody>
  <equality><weld body1="leash" body2="dog" relpose="0 0 0 1 0 0 0"/></equality>
</mujoco>
"""
EVERYONE = torch.tensor([0, 1, 2])


class Leash(Task):
    """The action moves what pulls a body; the post stands elsewhere in every episode."""

    name = "leash/follow"
    description = "Lead the dog on its leash to the post."
    decimation = 4
    episode_s = 2.0
    features = (
        Feature("leash_position", (3,), "m", "What pulls the dog."),
        Feature("dog_position", (3,), "m", "The dog."),
        Feature("post_position", (3,), "m", "The post."),
    )
    metrics = (Metric("arrived", "1", "Share of the episode with the dog at the post."),)
    human_reward = Path("none.py")

    def scene(self) -> mujoco.MjSpec:
        return mujoco.MjSpec.from_string(SCENE)

    @property
    def action(self) -> BoxAction:
        return BoxAction(3)

    def actuate(self, action: Tensor, features: FeatureView) -> Tensor:
        return action[:, :0]

    def move_mocap(self, action: Tensor, features: FeatureView) -> dict[str, Tensor]:
        return {"leash": features.leash_position + 0.05 * action}

    def measure(self, physics: Physics, variables: Quantities) -> dict[str, Tensor]:
        names = ("leash", "dog", "post")
        return {f"{name}_position": physics.body_position(name) for name in names}

    def observation(self, features: FeatureView) -> Tensor:
        return torch.cat([features.dog_position, features.leash_position], dim=-1)

    def reset(self, mask: Tensor, draw: Draw) -> Initial:
        post = draw.uniform("post", (3,), -1.0, 1.0)
        resting = torch.tensor([0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0], dtype=post.dtype)
        qpos = resting.repeat(len(post), 1)
        return Initial(qpos=qpos, qvel=torch.zeros_like(qpos[:, :6]), mocap={"post": post})

    def fitness(self, features: FeatureView) -> dict[str, Tensor]:
        away = (features.dog_position - features.post_position).norm(dim=-1)
        return {"arrived": away < 0.5}


def batch(model: mujoco.MjModel) -> Engine:
    return MujocoBatchEngine(model, 3, 1)


def warp(model: mujoco.MjModel) -> Engine:
    pytest.importorskip("mujoco_warp")
    from rewardgen_envs.engines.mujoco_warp import MujocoWarpEngine

    return MujocoWarpEngine(model, 3, "cpu", Budget(8, 16))


@pytest.mark.parametrize("make", [batch, warp])
def test_bodies_of_some_worlds_are_moved_and_all_others_stay(
    make: Callable[[mujoco.MjModel], Engine],
) -> None:
    engine = make(Leash().model)
    engine.forward(None)
    position = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    write_mocap(engine, {"leash": position}, torch.tensor([2, 0]))
    engine.forward(None)
    places = engine.field("xpos").float()
    assert places[:, 1].tolist() == [[0.0, 0.0, 2.0]] * 3
    assert places[:, 2].tolist() == [[4.0, 5.0, 6.0], [0.0, 0.0, 0.0], [1.0, 2.0, 3.0]]
    engine.reset(torch.tensor([0]))
    engine.forward(None)
    assert engine.field("xpos")[:, 2, 0].tolist() == [0.0, 0.0, 1.0]


def test_a_world_of_the_callers_is_moved_too() -> None:
    model = Leash().model
    data = mujoco.MjData(model)
    engine = MujocoDataEngine(model, data)
    write_mocap(engine, {"leash": torch.tensor([[1.0, 2.0, 3.0]])}, None)
    engine.step(1)
    assert data.mocap_pos.tolist() == [[0.0, 0.0, 2.0], [1.0, 2.0, 3.0]]
    assert data.body("leash").xpos.tolist() == [1.0, 2.0, 3.0]


def test_a_body_that_is_not_there_is_refused() -> None:
    with pytest.raises(SceneError, match=r"no mocap body 'dog'.* Valid: leash, post"):
        mocap_row(Leash().model, "dog")
    with pytest.raises(SceneError, match=r"no mocap body 'leesh'; did you mean 'leash'"):
        write_mocap(batch(Leash().model), {"leesh": torch.zeros(3, 3)}, None)


def test_an_action_moves_what_pulls_before_the_step() -> None:
    simulation = Simulation(Leash(), [5], 3, threads=1)
    view = simulation.task.table.view(simulation.state)
    posts = view.post_position.clone()
    assert len(torch.unique(posts, dim=0)) == 3
    action = torch.tensor([[1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 0.0]])
    for number in (1, 2, 3):
        step = simulation.step(action)
        view = simulation.task.table.view(step.next_state)
        torch.testing.assert_close(view.leash_position, 0.05 * number * action)
        torch.testing.assert_close(view.post_position, posts)
    # the substeps ran with the leash where it is, so that each dog is on its way
    assert view.dog_position[0, 0] > 0.02
    assert view.dog_position[1, 1] < -0.02
    assert view.dog_position[2].abs().max() < 1e-6


def test_a_restarted_world_has_new_places_and_the_scenes_own() -> None:
    simulation = Simulation(Leash(), [5], 3, threads=1)
    posts = simulation.task.table.view(simulation.state).post_position.clone()
    simulation.step(torch.ones(3, 3))
    simulation.restart(torch.tensor([False, True, False]))
    view = simulation.task.table.view(simulation.state)
    assert view.leash_position[:, 0].tolist() == pytest.approx([0.05, 0.0, 0.05])
    moved = (view.post_position != posts).any(1)
    assert moved.tolist() == [False, True, False]


def test_both_engines_lead_the_dog_alike() -> None:
    pytest.importorskip("mujoco_warp")
    task = Leash()
    choice = EngineChoice("warp", "cpu", probed_budget(task))
    reference = Simulation(task, [5], 3, threads=1)
    other = Simulation(task, [5], 3, engine=choice)
    generator = torch.Generator().manual_seed(0)
    for _ in range(task.episode_steps + 5):  # into the next episode
        action = 2.0 * torch.rand(3, 3, generator=generator) - 1.0
        expected, given = reference.step(action), other.step(action)
        torch.testing.assert_close(given.state, expected.state, atol=2e-4, rtol=1e-3)
    assert reference.episode.tolist() == other.episode.tolist() == [1, 1, 1]


def rules(task: type[Task]) -> set[str]:
    """Return what the check finds besides the human reward, which is not there."""
    found = {finding.rule for finding in check_task(task) if finding.severity == "error"}
    return found - {"human-reward-missing"}


def test_the_check_knows_what_moves_without_an_actuator() -> None:
    assert rules(Leash) == set()


def test_wrong_places_are_findings() -> None:
    class Flat(Leash):
        def move_mocap(self, action: Tensor, features: FeatureView) -> dict[str, Tensor]:
            return {"leash": action[:, :2]}

    class Ignoring(Leash):
        def move_mocap(self, action: Tensor, features: FeatureView) -> dict[str, Tensor]:
            return {"leash": features.leash_position + 0.05 * action[:, [0, 1, 1]]}

    class Nowhere(Leash):
        def reset(self, mask: Tensor, draw: Draw) -> Initial:
            start = super().reset(mask, draw)
            return replace(start, mocap={"post": start.mocap["post"] / 0.0})

    class Alike(Leash):
        def reset(self, mask: Tensor, draw: Draw) -> Initial:
            start = super().reset(mask, draw)
            return replace(start, mocap={"post": 0.0 * start.mocap["post"]})

    assert "result-shape" in rules(Flat)
    assert "action-without-effect" in rules(Ignoring)
    assert "reset-finite" in rules(Nowhere)
    assert "reset-ignores-draw" in rules(Alike)


def test_a_start_of_the_wrong_shape_is_refused() -> None:
    class Flat(Leash):
        def reset(self, mask: Tensor, draw: Draw) -> Initial:
            start = super().reset(mask, draw)
            return replace(start, mocap={"post": start.mocap["post"][:, :2]})

    with pytest.raises(TaskError, match=r"'mocap body post' of shape \(3, 2\), expected \(3, 3\)"):
        Simulation(Flat(), [5], 3, threads=1)
