"""From a scored rollout to updated members: normalization, values, advantages, PPO."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from rewardgen_policies.gae import advantages, running_returns
from rewardgen_policies.networks import forward
from rewardgen_policies.normalizer import CLIP, ObservationScale
from rewardgen_policies.population import Population
from rewardgen_policies.recipe import Recipe
from rewardgen_policies.update import Batch, PpoUpdate, Settings, UpdateStats, permutations


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

    observation: Float[Tensor, "P T+1 N O"]
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
        advantage: as PPO saw it before normalization, (P, T, N), in units of the returns' scale.
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
        self._population = population
        self._recipe = recipes[0]
        self._generators = generators
        self._ppo = PpoUpdate(population, recipes)
        self._settings = Settings(recipes, population.parameters.dtype)
        self._critic = population.network("critic")
        self._carry = population.parameters.new_zeros(2, population.size, self._recipe.worlds)

    def learn(self, experience: Experience) -> LearnStats:
        """Update the members from one rollout; overwrites its observations."""
        recipe, population = self._recipe, self._population
        valid = experience.valid
        weight = valid.flatten(1).to(experience.reward.dtype)
        reward = torch.where(valid, experience.reward, 0.0)

        running = running_returns(reward, experience.ended, self._carry, recipe.gamma)
        if recipe.normalize_values:
            self._rescale_values(running[:, 0].transpose(0, 1).flatten(1), weight)

        scale = ObservationScale(population.observation, reward.dtype)
        moments = self._normalize(experience, scale, weight)
        mean, std = self._value_scale()
        value, next_value = self._values(experience)
        offset = (mean / std).to(reward.dtype).unsqueeze(2)
        advantage = advantages(
            reward / std.to(reward.dtype).unsqueeze(2),
            value + offset,
            next_value + offset,
            experience.terminated,
            experience.ended,
            valid,
            recipe.gamma,
            self._settings.gae_lambda,
        )
        target = advantage + value
        action = experience.action.flatten(1, 2).to(reward.dtype)
        batch = Batch(
            observation=experience.observation.flatten(1, 2),
            action=action.unsqueeze(2) if population.layout.spec.discrete else action,
            log_prob=experience.log_prob.flatten(1),
            advantage=advantage.flatten(1),
            target=target.flatten(1),
            weight=weight,
        )
        order = permutations(self._generators, recipe.epochs, recipe.samples)
        was_active = population.active.clone()
        stats = self._ppo.update(batch, order)
        if recipe.normalize_observations:
            population.observation.merge(*moments)
        population.env_steps.add_(recipe.samples * was_active)
        population.updates.add_(was_active)
        return LearnStats(
            update=stats,
            explained_variance=_explained(value.flatten(1), target.flatten(1), weight),
            episode_return=running[:, 1].transpose(0, 1),
            advantage=advantage,
        )

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

    def _values(self, experience: Experience) -> tuple[Tensor, Tensor]:
        """Return the critic's V of the states before and after each transition, (P, T, N)."""
        observation = experience.observation
        members, steps, worlds = experience.reward.shape
        flat = forward(self._critic, observation.flatten(1, 2))[..., 0]
        values = flat.reshape(members, steps + 1, worlds)
        value, next_value = values[:, :-1], values[:, 1:].clone()
        for t, terminal in zip(
            experience.truncated_at, experience.terminal_observation, strict=True
        ):
            last = forward(self._critic, terminal)[..., 0]
            next_value[:, t] = torch.where(experience.ended[:, t], last, next_value[:, t])
        return value, next_value

    def _value_scale(self) -> tuple[Float[Tensor, "P 1"], Float[Tensor, "P 1"]]:
        """Return mean and standard deviation of the returns; 0 and 1 before any was seen.

        The critic works in this scale: V = mean + std * output.
        """
        moments = self._population.returns
        floor = moments.mean.abs() * 1e-6  # constant rewards have no variance
        std = torch.maximum(moments.variance.sqrt(), floor)
        return moments.mean, torch.where(std > 0.0, std, 1.0)

    def _rescale_values(self, returns: Float[Tensor, "P S"], weight: Float[Tensor, "P S"]) -> None:
        """Follow the scale of the returns; the critic's values stay (PopArt, van Hasselt 2016)."""
        moments = self._population.returns
        old_mean, old_std = (x.clone() for x in self._value_scale())
        count = weight.sum(1, keepdim=True).to(torch.float64)
        size = count.clamp(min=1.0)
        # in float64 from here, so that a reward's unit changes nothing but the unit
        wide = returns.to(torch.float64) * weight
        mean = wide.sum(1, keepdim=True) / size
        variance = ((wide - mean).square() * weight).sum(1, keepdim=True) / size
        finite = torch.isfinite(variance) & torch.isfinite(mean)
        first = moments.count == 0.0
        moments.merge(
            torch.where(finite, mean, 0.0),
            torch.where(finite, variance, 0.0),
            torch.where(finite, count, 0.0),
        )
        new_mean, new_std = self._value_scale()
        # before the first returns the critic's output has no unit: let it keep its size
        ratio = torch.where(first, 1.0, old_std / new_std)
        shift = torch.where(first, 0.0, (old_mean - new_mean) / new_std)
        weights, bias = self._critic[-1]
        dtype = weights.dtype
        weights.mul_(ratio.to(dtype).unsqueeze(2))
        bias.mul_(ratio.to(dtype).unsqueeze(2))
        bias[..., 0].add_(shift.to(dtype))


def _explained(value: Tensor, target: Tensor, weight: Tensor) -> Float[Tensor, " P"]:
    """Return 1 - Var(target - value) / Var(target) over valid samples; NaN if constant."""
    size = weight.sum(1, keepdim=True).clamp(min=1.0)

    def variance(x: Tensor) -> Tensor:
        mean = (x * weight).sum(1, keepdim=True) / size
        return ((x - mean).square() * weight).sum(1) / size[:, 0]

    total = variance(target)
    share = 1.0 - variance(target - value) / total
    return torch.where(total > 0.0, share, torch.nan)
