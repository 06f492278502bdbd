"""From a scored rollout to updated members: normalization, values, advantages, PPO."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from rewardgen_policies.gae import advantages, episode_returns
from rewardgen_policies.networks import forward
from rewardgen_policies.normalizer import CLIP, ObservationScale
from rewardgen_policies.population import Population
from rewardgen_policies.recipe import Recipe
from rewardgen_policies.update import Batch, PpoUpdate, Settings, UpdateStats, permutations
from rewardgen_policies.value_scale import ValueScale


@dataclass(frozen=True)
class Experience:
    """A scored rollout of P members.

    Attributes:
        observation: raw, of the T states before the actions and of the last one.
        action: as drawn, not clipped; (P, T, N) if discrete.
        log_prob: of the action.
        reward: what the source gave.
        terminated: ended by the task.
        ended: terminated, truncated or diverged.
        valid: transitions that count.
        truncated_at: control steps with a truncation among these members.
        terminal_observation: raw, of the true next states at those steps.
    """

    observation: Float[Tensor, "P T1 N O"]
    action: Tensor
    log_prob: Float[Tensor, "P T N"]
    reward: Float[Tensor, "P T N"]
    terminated: Bool[Tensor, "P T N"]
    ended: Bool[Tensor, "P T N"]
    valid: Bool[Tensor, "P T N"]
    truncated_at: list[int]
    terminal_observation: list[Float[Tensor, "P N O"]]


@dataclass(frozen=True)
class LearnStats:
    """What an update of some members was like.

    Attributes:
        update: of the PPO steps.
        explained_variance: share of the returns' variance that the critic foresaw, (P,).
        episode_return: undiscounted sum of the rewards of the running episode, (P, T, N).
        advantage: as PPO saw it before normalization, (P, T, N), in the critic's scale.
    """

    update: UpdateStats
    explained_variance: Float[Tensor, " P"]
    episode_return: Float[Tensor, "P T N"]
    advantage: Float[Tensor, "P T N"]


class Learner:
    """Learns for some members of a population, in place.

    Args:
        population: these members.
        recipes: one per member; they differ in member settings only.
        generators: one per member, for the order of samples.
    """

    def __init__(
        self,
        population: Population,
        recipes: Sequence[Recipe],
        generators: Sequence[torch.Generator],
    ) -> None:
        parameters = population.parameters
        self._population = population
        self._recipe = recipes[0]
        self._generators = generators
        self._ppo = PpoUpdate(population, recipes)
        self._lambda = Settings(recipes, parameters.dtype, parameters.device).gae_lambda
        self._critic = population.network("critic")
        self._values = ValueScale(population.returns, *self._critic[-1])
        self._carry = parameters.new_zeros(population.size, self._recipe.worlds)

    def learn(self, experience: Experience) -> LearnStats:
        """Update the members from one rollout; overwrites its observations."""
        recipe, population = self._recipe, self._population
        weight = experience.valid.flatten(1).to(experience.reward.dtype)
        reward = torch.where(experience.valid, experience.reward, 0.0)
        episode_return = episode_returns(reward, experience.ended, self._carry)

        scale = ObservationScale(population.observation, reward.dtype)
        moments = self._normalize(experience, scale, weight)
        if recipe.normalize_values:
            self._begin(experience, reward, weight)
        value, advantage = self._advantages(experience, reward)
        target = (advantage + value).flatten(1)
        explained = _explained(value.flatten(1), target, weight)
        if recipe.normalize_values:
            target = self._values.follow(target, weight)

        action = experience.action.flatten(1, 2).to(reward.dtype)
        batch = Batch(
            observation=experience.observation.flatten(1, 2),
            action=action.unsqueeze(2) if population.layout.spec.discrete else action,
            log_prob=experience.log_prob.flatten(1),
            advantage=advantage.flatten(1),
            target=target,
            weight=weight,
        )
        order = permutations(self._generators, recipe.epochs, recipe.samples)
        was_active = population.active.clone()
        stats = self._ppo.update(batch, order)
        if recipe.normalize_observations:
            population.observation.merge(*moments)
        population.env_steps.add_(recipe.samples * was_active)
        population.updates.add_(was_active)
        return LearnStats(stats, explained, episode_return, advantage)

    def _begin(self, experience: Experience, reward: Tensor, weight: Tensor) -> None:
        """Give members in their first update a scale for values."""
        if not bool(self._values.fresh.any()):
            return
        zeros, ones = torch.zeros_like(reward), torch.ones_like(self._lambda)
        ended, valid = experience.ended, experience.valid
        returns = advantages(reward, zeros, zeros, ended, valid, self._recipe.gamma, ones)
        self._values.begin(returns.flatten(1), weight)

    def _advantages(self, experience: Experience, reward: Tensor) -> tuple[Tensor, Tensor]:
        """Return the critic's outputs and the advantages in its scale, (P, T, N) each.

        With V = m + s v, m being added to every value is the same as (1 - gamma) m being taken from
        every reward, and a value of 0 is v = -m / s. So no large m is ever added in float32.
        """
        value, following = self._evaluate(experience)
        mean, std = self._values.units()
        offset = (mean / std).to(reward.dtype).unsqueeze(2)
        gamma = self._recipe.gamma
        advantage = advantages(
            reward / std.to(reward.dtype).unsqueeze(2) - (1.0 - gamma) * offset,
            value,
            torch.where(experience.terminated, -offset, following),
            experience.ended,
            experience.valid,
            gamma,
            self._lambda,
        )
        return value, advantage

    def _normalize(
        self, experience: Experience, scale: ObservationScale, weight: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Normalize all observations in place; return the moments of the raw ones."""
        flat = experience.observation.flatten(1, 2)
        scale.apply(flat, flat)
        moments = scale.batch_moments(flat[:, : weight.shape[1]], weight)
        flat.clamp_(-CLIP, CLIP)
        for terminal in experience.terminal_observation:
            scale.apply(terminal, terminal).clamp_(-CLIP, CLIP)
        return moments

    def _evaluate(self, experience: Experience) -> tuple[Tensor, Tensor]:
        """Return the critic's outputs before and after each transition, (P, T, N)."""
        observation = experience.observation
        members, steps, worlds = experience.reward.shape
        flat = forward(self._critic, observation.flatten(1, 2))[..., 0]
        values = flat.reshape(members, steps + 1, worlds)
        value, following = values[:, :-1], values[:, 1:].clone()
        for t, terminal in zip(
            experience.truncated_at, experience.terminal_observation, strict=True
        ):
            last = forward(self._critic, terminal)[..., 0]
            following[:, t] = torch.where(experience.ended[:, t], last, following[:, t])
        return value, following


def _explained(value: Tensor, target: Tensor, weight: Tensor) -> Float[Tensor, " P"]:
    """Return 1 - Var(target - value) / Var(target) over valid samples; NaN if constant."""
    size = weight.sum(1, keepdim=True).clamp(min=1.0)

    def variance(x: Tensor) -> Tensor:
        mean = (x * weight).sum(1, keepdim=True) / size
        return ((x - mean).square() * weight).sum(1) / size[:, 0]

    total = variance(target)
    share = 1.0 - variance(target - value) / total
    return torch.where(total > 0.0, share, torch.nan)
