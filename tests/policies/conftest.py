from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from rewardgen_envs.cartpole.balance import Balance
from rewardgen_envs.cartpole.swing_up import SwingUp
from rewardgen_envs.task import Task
from rewardgen_policies.recipe import Recipe
from tests.policies.reward_sources import DiscreteSwingUp


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def balance() -> Task:
    return Balance()


@pytest.fixture(scope="session")
def swing_up() -> Task:
    return SwingUp()


@pytest.fixture(scope="session")
def discrete_swing_up() -> Task:
    return DiscreteSwingUp()


@pytest.fixture
def tiny() -> Recipe:
    """Seconds, not minutes; 20 steps of 4 worlds."""
    return Recipe(worlds=4, steps=20, epochs=2, minibatches=2, hidden=(16, 16))
