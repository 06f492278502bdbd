from __future__ import annotations

from collections.abc import Callable, Generator

import pytest
import torch

from rewardgen_envs.features import Feature, FeatureTable
from rewardgen_policies.seam import Rollout
from tests.rewardgen.llm.small_model import SmallModel, serve_small_model

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def small_model() -> Generator[SmallModel]:
    """A real language model behind an OpenAI-compatible endpoint, without a network."""
    with serve_small_model() as model:
        yield model


@pytest.fixture
def robot_table() -> FeatureTable:
    """A small four-legged robot with one private feature."""
    return FeatureTable(
        [
            Feature("torso_position", (3,), "m", "Position of the torso."),
            Feature("torso_quaternion", (4,), "1", "Orientation, scalar part first."),
            Feature("torso_velocity", (3,), "m/s", "Velocity of the torso."),
            Feature("torso_angular_velocity", (3,), "rad/s", "Angular velocity of the torso."),
            Feature("torso_up", (), "1", "Vertical part of the torso's up axis."),
            Feature("forward_velocity", (), "m/s", "Velocity along x."),
            Feature("height", (), "m", "Height of the torso."),
            Feature("joint_angles", (8,), "rad", "Angles of the joints."),
            Feature("joint_velocities", (8,), "rad/s", "Velocities of the joints."),
            Feature("foot_contact", (4,), "bool", "1 where a foot touches the floor."),
            Feature("contact_forces", (4, 3), "N", "Force of contacts on the feet."),
            Feature("goal_position", (3,), "m", "Where to go."),
            Feature("goal_distance", (), "m", "Distance to the goal."),
            Feature("terminated", (), "bool", "1 if the episode was ended."),
            Feature("episode_time_s", (), "s", "Time since the start."),
            Feature("last_action", (8,), "1", "The action applied last."),
            Feature("goals_reached", (), "1", "Goals reached.", private=True),
        ]
    )


@pytest.fixture
def robot_rollout(robot_table: FeatureTable) -> Callable[..., Rollout]:
    """Random rollouts of the robot: (members, steps, worlds, seed) -> Rollout."""

    def build(members: int = 2, steps: int = 5, worlds: int = 3, seed: int = 0) -> Rollout:
        generator = torch.Generator().manual_seed(seed)
        shape = (members, steps, worlds)
        width = robot_table.width
        steps_so_far = torch.arange(steps).view(1, steps, 1).expand(shape).clone()
        return Rollout(
            table=robot_table,
            state=torch.randn(*shape, width, generator=generator),
            next_state=torch.randn(*shape, width, generator=generator),
            action=torch.rand(*shape, 8, generator=generator) * 2.0 - 1.0,
            terminated=torch.zeros(shape, dtype=torch.bool),
            truncated=torch.zeros(shape, dtype=torch.bool),
            valid=torch.ones(shape, dtype=torch.bool),
            world=torch.arange(worlds),
            episode=torch.zeros(shape, dtype=torch.int64),
            t=steps_so_far,
            gamma=0.99,
        )

    return build
