"""The same rollout, weights, sample order and options give what Stable-Baselines3 gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from stable_baselines3 import PPO
from stable_baselines3.common import policies as sb3_policies
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.vec_env import DummyVecEnv
from torch import Tensor

from rewardgen_policies.checkpoint import Origin
from rewardgen_policies.learner import Experience, Learner
from rewardgen_policies.networks import NetworkSpec
from rewardgen_policies.population import Population, initial_state
from rewardgen_policies.recipe import Recipe
from rewardgen_policies.update import permutations

WORLDS, STEPS, INPUTS = 3, 16, 5
EPOCHS, MINIBATCHES = 3, 4


@dataclass
class Log:
    """What the scripted environments did, step by step and in each world by world."""

    observation: list[np.ndarray] = field(default_factory=list)
    reward: list[float] = field(default_factory=list)
    terminated: list[bool] = field(default_factory=list)
    truncated: list[bool] = field(default_factory=list)
    terminal: list[np.ndarray] = field(default_factory=list)


class Scripted(gymnasium.Env[Any, Any]):
    """Random observations and rewards; terminations and truncations inside the rollout."""

    def __init__(self, index: int, discrete: bool, log: Log) -> None:
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (INPUTS,), np.float64)
        self.action_space = (
            gymnasium.spaces.Discrete(3)
            if discrete
            else gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float64)
        )
        self._rng = np.random.default_rng(index)
        self._log = log
        self._t = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        return self._rng.normal(size=INPUTS), {}

    def step(self, action: object) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self._t += 1
        observation = self._rng.normal(size=INPUTS)
        # multiples of 2^-8, exact in the float32 of SB3's vector environment
        reward = float(np.round(self._rng.normal() * 256) / 256)
        ends = float(self._rng.random())
        terminated, truncated = ends < 0.15, 0.15 <= ends < 0.3
        self._log.reward.append(reward)
        self._log.terminated.append(terminated)
        self._log.truncated.append(truncated)
        self._log.terminal.append(observation)
        return observation, reward, terminated, truncated, {}


class Buffer64(RolloutBuffer):
    """SB3's buffer in float64."""

    def reset(self) -> None:
        super().reset()
        for name in ("observations", "actions", "rewards", "returns", "values"):
            setattr(self, name, getattr(self, name).astype(np.float64))
        for name in ("log_probs", "advantages", "episode_starts"):
            setattr(self, name, getattr(self, name).astype(np.float64))


OPTIONS: dict[str, Any] = {
    "gamma": 0.97,
    "gae_lambda": 0.9,
    "ent_coef": 0.01,
    "vf_coef": 0.7,
    "max_grad_norm": 0.3,
    "learning_rate": 3e-3,
}


def sb3_rollout(discrete: bool, monkeypatch: pytest.MonkeyPatch) -> tuple[PPO, Log]:
    """Let SB3 collect a rollout with float64 weights, truncation bootstraps included."""
    # its preprocessing casts to float32, everything else follows the weights
    monkeypatch.setattr(sb3_policies, "preprocess_obs", lambda obs, *_, **__: obs)
    log = Log()
    env = DummyVecEnv([lambda i=i: Scripted(i, discrete, log) for i in range(WORLDS)])
    model = PPO(
        "MlpPolicy",
        env,
        n_steps=STEPS,
        batch_size=STEPS * WORLDS // MINIBATCHES,
        n_epochs=EPOCHS,
        rollout_buffer_class=Buffer64,
        seed=0,
        device="cpu",
        **OPTIONS,
    )
    model.policy.double()
    _, callback = model._setup_learn(STEPS * WORLDS)
    model.collect_rollouts(model.env, callback, model.rollout_buffer, STEPS)
    return model, log


def our_population(model: PPO, spec: NetworkSpec) -> Population:
    """Put SB3's weights into member 1 of 3."""
    origin = Origin("task", 1, 0, "source", "recipe")
    states = [initial_state(spec, origin, Recipe()) for _ in range(3)]
    population = Population.of(states, torch.float64)
    population.layout.pack(sb3_weights(model), population.parameters[1])
    population.learning_rate.fill_(OPTIONS["learning_rate"])
    return population


def sb3_weights(model: PPO) -> dict[str, Tensor]:
    policy, result = model.policy, {}
    nets = {"actor": policy.mlp_extractor.policy_net, "critic": policy.mlp_extractor.value_net}
    heads = {"actor": policy.action_net, "critic": policy.value_net}
    for name, net in nets.items():
        for index, linear in enumerate([net[0], net[2], heads[name]]):
            result[f"{name}.{index}.weight"] = linear.weight.detach().mT.clone()
            result[f"{name}.{index}.bias"] = linear.bias.detach().clone()
    if hasattr(policy, "log_std"):
        result["log_std"] = policy.log_std.detach().clone()
    return result


def our_experience(model: PPO, log: Log, discrete: bool) -> Experience:
    """Give the same rollout to three members."""

    def grid(values: list[Any]) -> Tensor:
        return torch.tensor(np.array(values)).unflatten(0, (STEPS, WORLDS)).expand(3, STEPS, WORLDS)

    def members(x: Tensor) -> Tensor:
        return x.expand(3, *x.shape).clone()

    buffer = model.rollout_buffer
    last = torch.tensor(model._last_obs).unsqueeze(0)
    observation = torch.cat([torch.tensor(buffer.observations), last])
    terminal = torch.tensor(np.array(log.terminal)).unflatten(0, (STEPS, WORLDS))
    terminated, truncated = grid(log.terminated), grid(log.truncated)
    at = [t for t in range(STEPS) if bool(truncated[0, t].any())]
    assert at
    assert bool(terminated.any())
    action = torch.tensor(buffer.actions)
    return Experience(
        observation=members(observation),
        action=members(action[..., 0].long() if discrete else action),
        log_prob=members(torch.tensor(buffer.log_probs)),
        reward=grid(log.reward).clone(),
        terminated=terminated.clone(),
        ended=(terminated | truncated).clone(),
        valid=torch.ones(3, STEPS, WORLDS, dtype=torch.bool),
        truncated_at=at,
        terminal_observation=[members(terminal[t]) for t in at],
    )


@pytest.mark.parametrize("discrete", [False, True])
def test_advantages_and_weights_after_one_update(
    discrete: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, log = sb3_rollout(discrete, monkeypatch)
    spec = NetworkSpec(INPUTS, 3 if discrete else 2, discrete, (64, 64))
    population = our_population(model, spec)
    experience = our_experience(model, log, discrete)
    recipe = Recipe(
        worlds=WORLDS,
        steps=STEPS,
        epochs=EPOCHS,
        minibatches=MINIBATCHES,
        gamma=OPTIONS["gamma"],
        gae_lambda=OPTIONS["gae_lambda"],
        entropy_coef=OPTIONS["ent_coef"],
        value_coef=OPTIONS["vf_coef"],
        max_grad_norm=OPTIONS["max_grad_norm"],
        learning_rate=OPTIONS["learning_rate"],
        schedule="fixed",
        min_std=1e-3,
        normalize_observations=False,
        normalize_values=False,
    )

    def fresh() -> list[torch.Generator]:
        return [torch.Generator().manual_seed(i) for i in range(3)]

    # SB3 numbers its samples world by world, we step by step
    ours = permutations(fresh(), EPOCHS, STEPS * WORLDS)[:, 1]
    theirs = iter([(order % WORLDS * STEPS + order // WORLDS).numpy() for order in ours])
    monkeypatch.setattr(np.random, "permutation", lambda _: next(theirs))

    with torch.no_grad():
        stats = Learner(population, [recipe] * 3, fresh()).learn(experience)
    advantage = torch.tensor(model.rollout_buffer.advantages)
    torch.testing.assert_close(stats.advantage[1], advantage, atol=1e-6, rtol=0)
    before = sb3_weights(model)
    model.train()
    after = sb3_weights(model)

    found = population.layout.unpack(population.parameters[1])
    for name, expected in after.items():
        assert not torch.equal(before[name], expected)
        torch.testing.assert_close(found[name], expected, atol=1e-6, rtol=0)
