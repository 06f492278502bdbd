"""SB3's PPO as a recipe wants it, and its policy's tensors by name."""

from __future__ import annotations

import math
from typing import Any, cast

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.policies import ActorCriticCnnPolicy, ActorCriticPolicy
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from rewardgen_envs.adapters.mapped.task import MappedTask
from rewardgen_envs.base_task import BoxAction
from rewardgen_policies.normalizer import CLIP, Moments, ObservationScale
from rewardgen_policies.recipe import Recipe
from rewardgen_policies.sb3.buffer import WeightedBuffer
from rewardgen_policies.sb3.state import Sb3Network, Sb3State


def network_of(task: MappedTask, hidden: tuple[int, ...]) -> Sb3Network:
    """Return the sizes of a policy for a task."""
    action = task.action
    box = isinstance(action, BoxAction)
    return Sb3Network(
        observation=task.interface.observed.shape,
        action_size=action.size if box else action.count,
        discrete=not box,
        hidden=hidden,
    )


def spaces_of(network: Sb3Network) -> tuple[spaces.Box, spaces.Space[Any]]:
    """Return the spaces of observations and actions as SB3 sees them."""
    seen = (
        spaces.Box(0, 255, network.observation, np.uint8)
        if len(network.observation) == 3
        else spaces.Box(-np.inf, np.inf, network.observation, np.float32)
    )
    if network.discrete:
        return seen, spaces.Discrete(network.action_size)
    return seen, spaces.Box(-1.0, 1.0, (network.action_size,), np.float32)


class DeferredPpo(PPO):
    """PPO whose rollouts are paid after the fact, between ``collect`` and ``train``."""

    def begin(self, samples: int) -> None:
        """Get ready to collect.

        Args:
            samples: of a rollout.
        """
        # its type is not known in full
        self._callback: BaseCallback = cast(Any, self)._setup_learn(samples)[1]

    def collect(self, env: VecEnv, seen: NDArray[Any]) -> None:
        """Fill the buffer with one rollout.

        Args:
            env: where to act; pays nothing.
            seen: what is seen there now.
        """
        self._last_obs = seen
        self.collect_rollouts(env, self._callback, self.rollout_buffer, self.n_steps)

    def pay(self, reward: NDArray[np.float32], valid: NDArray[np.bool_], ended: Tensor) -> None:
        """Score the rollout.

        Args:
            reward: (T, N).
            valid: transitions that count.
            ended: where the last step ended an episode, (N,).
        """
        with torch.no_grad():
            values = self.policy.predict_values(torch.as_tensor(self._last_obs))
        buffer = self.rollout_buffer
        assert isinstance(buffer, WeightedBuffer)
        buffer.pay(reward, valid, values, ended.numpy())


def make_model(network: Sb3Network, recipe: Recipe, env: VecEnv, seed: int) -> DeferredPpo:
    """Return PPO with fresh weights; seeds SB3's random numbers, which are the process's own.

    Args:
        network: sizes of the policy.
        recipe: settings.
        env: where it acts.
        seed: of weights, actions and sample order, below 2**32.
    """
    picture = len(network.observation) == 3
    model = DeferredPpo(
        "CnnPolicy" if picture else "MlpPolicy",
        env,
        n_steps=recipe.steps,
        batch_size=recipe.samples // recipe.minibatches,
        n_epochs=recipe.epochs,
        gamma=recipe.gamma,
        gae_lambda=recipe.gae_lambda,
        clip_range=recipe.clip,
        ent_coef=recipe.entropy_coef,
        vf_coef=recipe.value_coef,
        max_grad_norm=recipe.max_grad_norm,
        learning_rate=recipe.learning_rate,
        rollout_buffer_class=WeightedBuffer,
        policy_kwargs=_policy_settings(network, recipe.init_std),
        seed=seed,
        device="cpu",
    )
    model.set_logger(Logger(folder=None, output_formats=[]))
    return model


def make_policy(network: Sb3Network) -> ActorCriticPolicy:
    """Return a policy of these sizes, whose weights mean nothing yet."""
    kind = ActorCriticCnnPolicy if len(network.observation) == 3 else ActorCriticPolicy
    return kind(*spaces_of(network), lambda _: 0.0, **_policy_settings(network, 1.0))


def _policy_settings(network: Sb3Network, init_std: float) -> dict[str, Any]:
    settings: dict[str, Any] = {"log_std_init": math.log(init_std)}
    if len(network.observation) != 3:
        settings["net_arch"] = list(network.hidden)
    return settings


def shapes_of(policy: ActorCriticPolicy) -> dict[str, tuple[int, ...]]:
    """Return the shape of every parameter."""
    return {name: tuple(value.shape) for name, value in policy.named_parameters()}


def load_weights(policy: ActorCriticPolicy, state: Sb3State) -> None:
    """Put a member's weights into a policy."""
    weights = state.stack("policy")
    with torch.no_grad():
        for name, parameter in policy.named_parameters():
            parameter.copy_(weights[name])


def load_optimizer(policy: ActorCriticPolicy, state: Sb3State) -> None:
    """Put what Adam remembers of a member into a policy's optimizer."""
    first, second = state.stack("adam_first"), state.stack("adam_second")
    if state.counters.adam_steps == 0:
        return
    for name, parameter in policy.named_parameters():
        policy.optimizer.state[parameter] = {
            "step": torch.tensor(float(state.counters.adam_steps)),
            "exp_avg": first[name].clone(),
            "exp_avg_sq": second[name].clone(),
        }


def tensors_of(policy: ActorCriticPolicy, seen: Moments, returns: Moments) -> dict[str, Tensor]:
    """Copy out everything that a checkpoint holds."""
    tensors: dict[str, Tensor] = {}
    for name, parameter in policy.named_parameters():
        remembered = policy.optimizer.state.get(parameter, {})
        value = parameter.detach()
        tensors[f"policy.{name}"] = value.clone()
        for stack, key in (("adam_first", "exp_avg"), ("adam_second", "exp_avg_sq")):
            tensors[f"{stack}.{name}"] = remembered.get(key, torch.zeros_like(value)).clone()
    for name, moments in (("observation", seen), ("return", returns)):
        tensors[f"{name}_mean"] = moments.mean[0].clone()
        tensors[f"{name}_variance"] = moments.variance[0].clone()
    return tensors


class Sight:
    """What a policy gets to see of raw observations: normalized numbers, pictures as they are.

    Where nothing was ever counted, because it is the first rollout or a recipe does not normalize,
    numbers are as they are too.

    Args:
        moments: of the observations so far, (1, O); frozen when this is made.
        picture: whether observations are pictures.
    """

    def __init__(self, moments: Moments, picture: bool) -> None:
        self._scale = None if picture else ObservationScale(moments, torch.float32)
        self._plain = picture or float(moments.count) == 0.0

    def __call__(self, raw: Tensor) -> Tensor:
        """Return what is seen of (B, …)."""
        if self._plain:
            return raw
        return self.normalized(raw).clamp_(-CLIP, CLIP)

    def normalized(self, raw: Tensor) -> Tensor:
        """Return normalized numbers (B, O), not clipped."""
        assert self._scale is not None
        return self._scale.apply(raw.unsqueeze(0), torch.empty_like(raw).unsqueeze(0))[0]

    def batch_moments(self, raw: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return mean, variance and count of a batch of raw numbers (B, O)."""
        assert self._scale is not None
        weight = torch.ones(1, len(raw))
        return self._scale.batch_moments(self.normalized(raw).unsqueeze(0), weight)
