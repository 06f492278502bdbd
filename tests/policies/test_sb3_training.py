"""Members that SB3 trains behind the seam: what plain SB3 gives, resumption, frozen members."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import gymnasium
import numpy as np
import pytest
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv

from rewardgen.rewards.sparse import OriginalReward
from rewardgen_envs.adapters.mapped.task import MappedTask
from rewardgen_envs.adapters.mapped.worlds import reset_seed
from rewardgen_envs.features import Feature
from rewardgen_envs.metrics import Accumulation, Metric
from rewardgen_policies.members import Member, TrainResult
from rewardgen_policies.recipe import Recipe
from rewardgen_policies.sb3.state import Sb3State
from rewardgen_policies.sb3.training import episodes_seed, member_seed
from rewardgen_policies.train import train

WORLDS, STEPS, UPDATES, SEED = 3, 40, 3, 5
PLAIN = Recipe(
    worlds=WORLDS,
    steps=STEPS,
    epochs=2,
    minibatches=4,
    learning_rate=3e-4,
    schedule="fixed",
    max_grad_norm=0.5,
    min_std=1e-6,
    normalize_observations=False,
    normalize_values=False,
)


class Swing(MappedTask):
    """A pendulum whose torque is in [-2, 2], cut off after 25 steps, inside the rollouts."""

    name = "pendulum/swing-up"
    description = "Swing the pendulum up and hold it there."
    env = "Pendulum-v1"
    features = (
        Feature("height", (), "1", "Cosine of the angle: 1 is upright."),
        Feature("rate", (), "rad/s", "Angular velocity."),
    )
    sources: ClassVar = {"height": "observation[0]", "rate": "observation[2]"}
    metrics = (Metric("env_return", "1", "Sum of the rewards.", accumulation=Accumulation.TOTAL),)
    scores: ClassVar = {"env_return": "env_reward"}
    steps = 25


class Pole(MappedTask):
    """A cart-pole: choices, and terminations."""

    name = "pole/balance"
    description = "Keep the pole upright."
    env = "CartPole-v1"
    features = (Feature("angle", (), "rad", "Angle of the pole; 0 is upright."),)
    sources: ClassVar = {"angle": "observation[2]"}
    metrics = (Metric("env_return", "1", "Sum of the rewards.", accumulation=Accumulation.TOTAL),)
    scores: ClassVar = {"env_return": "env_reward"}
    steps = 25


class Seeded(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Resets with the seeds that a world of ours has, whatever SB3 asks for."""

    def __init__(self, env: gymnasium.Env[Any, Any], world: int) -> None:
        super().__init__(env)
        self._world, self._episode = world, -1

    def reset(self, **_: object) -> tuple[Any, dict[str, Any]]:
        self._episode += 1
        key = episodes_seed(SEED, 0)
        return self.env.reset(seed=reset_seed(key, self._world, self._episode))


def plain_environment(task: MappedTask, world: int) -> gymnasium.Env[Any, Any]:
    env = gymnasium.make(task.env, max_episode_steps=task.steps)
    if isinstance(env.action_space, gymnasium.spaces.Box):
        env = gymnasium.wrappers.RescaleAction(env, np.float32(-1.0), np.float32(1.0))
    return Seeded(env, world)


def plain_sb3(task: MappedTask) -> PPO:
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    model = PPO(
        "MlpPolicy",
        DummyVecEnv([lambda i=i: plain_environment(task, i) for i in range(WORLDS)]),
        n_steps=STEPS,
        batch_size=WORLDS * STEPS // PLAIN.minibatches,
        n_epochs=PLAIN.epochs,
        learning_rate=PLAIN.learning_rate,
        policy_kwargs={"net_arch": list(PLAIN.hidden)},
        seed=member_seed(SEED, 0),
        device="cpu",
    )
    model.learn(UPDATES * WORLDS * STEPS)
    torch.set_flush_denormal(False)
    return model


def ours(
    task: MappedTask, recipe: Recipe = PLAIN, updates: int = UPDATES, checkpoint: Path | None = None
) -> Sb3State:
    result = trained(task, [Member(OriginalReward(task), SEED, checkpoint)], recipe, updates)
    assert result.failures == [None]
    state = result.states[0]
    assert isinstance(state, Sb3State)
    return state


def trained(
    task: MappedTask, members: Sequence[Member], recipe: Recipe, updates: int, rung: int = 0
) -> TrainResult:
    return train(task, members, recipe, updates * recipe.samples, rung=rung)


@pytest.mark.parametrize("task", [Swing(), Pole()], ids=lambda task: task.name)
def test_weights_are_those_of_plain_sb3(task: MappedTask) -> None:
    model, state = plain_sb3(task), ours(task)
    found = state.stack("policy")
    for name, parameter in model.policy.named_parameters():
        assert torch.equal(found[name], parameter.detach()), name
        remembered = model.policy.optimizer.state[parameter]
        assert torch.equal(state.stack("adam_first")[name], remembered["exp_avg"])
        assert state.counters.adam_steps == remembered["step"]
    assert state.counters.env_steps == UPDATES * WORLDS * STEPS
