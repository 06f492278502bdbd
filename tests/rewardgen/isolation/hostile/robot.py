"""A small robot: its features, one of them private, and what it did."""

from __future__ import annotations

import torch

from rewardgen_envs.features import Feature, FeatureTable
from rewardgen_policies.seam import Rollout

MEMBERS, STEPS, WORLDS = 2, 8, 6
ROBOT = FeatureTable(
    [
        Feature("height", (), "m", "Height of the torso."),
        Feature("torso_up", (), "1", "Vertical part of the torso's up axis."),
        Feature("torso_velocity", (3,), "m/s", "Velocity of the torso."),
        Feature("forward_velocity", (), "m/s", "Velocity along x."),
        Feature("joint_velocities", (8,), "rad/s", "Velocities of the joints."),
        Feature("goals_reached", (), "1", "Goals reached.", private=True),
    ]
)


def rollout(seed: int, private: list[float]) -> Rollout:
    """Return random transitions.

    Args:
        seed: of the random numbers.
        private: values of the private feature for the transitions of a member.
    """
    generator = torch.Generator().manual_seed(seed)
    shape = (MEMBERS, STEPS, WORLDS)
    state, next_state = torch.rand(2, *shape, ROBOT.width, generator=generator).unbind(0)
    for data in (state, next_state):
        data[..., -1] = torch.tensor(private).view(STEPS, WORLDS)
    return Rollout(
        table=ROBOT,
        state=state,
        next_state=next_state,
        action=torch.rand(*shape, 8, generator=generator) * 2.0 - 1.0,
        terminated=torch.zeros(shape, dtype=torch.bool),
        truncated=torch.zeros(shape, dtype=torch.bool),
        valid=torch.ones(shape, dtype=torch.bool),
        world=torch.arange(WORLDS),
        episode=torch.zeros(shape, dtype=torch.int64),
        t=torch.arange(STEPS).view(1, STEPS, 1).expand(shape).clone(),
        gamma=0.99,
    )
