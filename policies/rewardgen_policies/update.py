"""PPO's update of a stack of members: epochs over minibatches, nothing shared between them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from rewardgen_policies.adam import StackedAdam
from rewardgen_policies.backprop import MlpPass
from rewardgen_policies.heads import make_head
from rewardgen_policies.networks import layers
from rewardgen_policies.population import Population
from rewardgen_policies.recipe import Recipe

_MIN_RATE, _MAX_RATE, _RATE_FACTOR = 1e-5, 1e-2, 1.5  # rsl_rl's adaptive schedule
_MAX_LOG_RATIO = 20.0  # keeps exp finite; far outside any clip range, so no gradient changes
_STD_EPSILON = 1e-8


@dataclass(frozen=True)
class Batch:
    """The samples of one rollout of P members, S = T * N each, time-major.

    Attributes:
        observation: normalized, (P, ≥ S, O); rows beyond S are not used.
        action: not clipped; choices as whole numbers in the same dtype, (P, S, 1).
        log_prob: of the action under the policy that acted.
        advantage: not normalized.
        target: what the critic should give, in the critic's own scale.
        weight: 1, or 0 for what must not be learned from.
    """

    observation: Float[Tensor, "P R O"]
    action: Float[Tensor, "P S A"]
    log_prob: Float[Tensor, "P S"]
    advantage: Float[Tensor, "P S"]
    target: Float[Tensor, "P S"]
    weight: Float[Tensor, "P S"]

    def packed(self) -> Float[Tensor, "P S K"]:
        """Return everything but the observation side by side, to gather it at once."""
        rest = (self.log_prob, self.advantage, self.target, self.weight)
        return torch.cat([self.action, torch.stack(rest, dim=-1)], dim=-1)


@dataclass(frozen=True)
class UpdateStats:
    """What an update was like, one number per member; means over its minibatches.

    Attributes:
        kl: KL divergence from the policy that acted, nats.
        entropy: of the policy, nats.
        value_loss: mean squared error of the critic, in its own scale.
        clip_share: share of the samples whose ratio was clipped.
    """

    kl: Float[Tensor, " P"]
    entropy: Float[Tensor, " P"]
    value_loss: Float[Tensor, " P"]
    clip_share: Float[Tensor, " P"]


class Settings:
    """The settings that may differ between members, (P, 1) each."""

    def __init__(self, recipes: Sequence[Recipe], dtype: torch.dtype, device: torch.device) -> None:
        def column(values: list[float]) -> Tensor:
            return torch.tensor(values, dtype=dtype, device=device).unsqueeze(1)

        self.gae_lambda = column([r.gae_lambda for r in recipes])
        self.clip = column([r.clip for r in recipes])
        self.value_coef = column([r.value_coef for r in recipes])
        self.entropy_coef = column([r.entropy_coef for r in recipes])
        self.max_grad_norm = column([r.max_grad_norm for r in recipes])
        self.desired_kl = column([r.desired_kl for r in recipes])[:, 0]


class PpoUpdate:
    """Updates the members of a population in place.

    Args:
        population: the members.
        recipes: one per member; they differ in member settings only.
    """

    def __init__(self, population: Population, recipes: Sequence[Recipe]) -> None:
        recipe = recipes[0]
        rows = recipe.samples // recipe.minibatches
        layout, parameters = population.layout, population.parameters
        self._population = population
        self._recipe = recipe
        self._settings = Settings(recipes, parameters.dtype, parameters.device)
        self._gradients = torch.zeros_like(parameters)
        views = layout.views(self._gradients)
        self._actor = MlpPass(population.network("actor"), layers(views, "actor"), rows)
        self._critic = MlpPass(population.network("critic"), layers(views, "critic"), rows)
        self._head = make_head(layout, parameters, self._gradients)
        self._log_std = layout.views(parameters).get("log_std")
        self._adam = StackedAdam(
            parameters, population.adam_first, population.adam_second, population.adam_steps
        )
        members, inputs = population.size, layout.spec.observation_size
        self._observation = parameters.new_empty(members, rows, inputs)
        self._value_error = parameters.new_zeros(members, rows, 2)

    def update(self, batch: Batch, order: Int64[Tensor, "E P S"]) -> UpdateStats:
        """Run all epochs.

        Args:
            batch: the rollout.
            order: for each epoch and member a permutation of its samples.

        Members whose gradient turns non-finite stop there: ``population.active`` turns False.
        """
        recipe, population = self._recipe, self._population
        packed = batch.packed()
        members, rows = population.size, self._observation.shape[1]
        member = torch.arange(members, device=packed.device).unsqueeze(1)
        observation_base = member * batch.observation.shape[1]
        packed_base = member * packed.shape[1]
        all_observations = batch.observation.flatten(0, 1)
        all_packed = packed.flatten(0, 1)
        sums = batch.weight.new_zeros(4, members)
        for epoch in range(recipe.epochs):
            for start in range(0, recipe.samples, rows):
                chosen = order[epoch, :, start : start + rows]
                index = (chosen + observation_base).flatten()
                torch.index_select(all_observations, 0, index, out=self._observation.flatten(0, 1))
                part = all_packed.index_select(0, (chosen + packed_base).flatten())
                first = epoch == 0 and start == 0
                sums += self._minibatch(part.view(members, rows, -1), adapt=not first)
        sums /= recipe.epochs * recipe.minibatches
        return UpdateStats(*sums.unbind(0))

    def _minibatch(self, part: Float[Tensor, "P M K"], *, adapt: bool) -> Float[Tensor, "4 P"]:
        """Take one gradient step; return kl, entropy, value loss and clip share."""
        settings, population = self._settings, self._population
        action = part[..., :-4]
        old_log_prob, advantage, target, weight = part[..., -4:].permute(2, 0, 1).contiguous()
        size = weight.sum(1, keepdim=True).clamp_(min=1.0)
        share = weight / size

        likelihood = self._head.likelihood(self._actor.forward(self._observation), action)
        log_ratio = (likelihood.log_prob - old_log_prob).clamp_(-_MAX_LOG_RATIO, _MAX_LOG_RATIO)
        ratio = log_ratio.exp()
        kl = ((ratio - 1.0 - log_ratio) * share).sum(1)  # Schulman's k3 estimator
        if adapt and self._recipe.schedule == "adaptive":
            self._adapt_rate(kl)

        advantage = _normalized(advantage, weight, size)
        gain = ratio * advantage
        limited = torch.clamp(ratio, 1.0 - settings.clip, 1.0 + settings.clip).mul_(advantage)
        free = gain <= limited
        log_prob_gradient = torch.where(free, gain, 0.0) * -share
        entropy_gradient = -settings.entropy_coef * share
        self._actor.backward(self._head.backward(likelihood, log_prob_gradient, entropy_gradient))

        error = self._critic.forward(self._observation)[..., 0] - target
        torch.mul(error, (2.0 * settings.value_coef) * share, out=self._value_error[..., 0])
        self._critic.backward(self._value_error)

        active = self._adam.step(
            self._gradients, population.learning_rate, settings.max_grad_norm, population.active
        )
        population.active.copy_(active)
        if self._log_std is not None:
            self._log_std.clamp_(min=math.log(self._recipe.min_std))
        entropy = (likelihood.entropy * share).sum(1)
        value_loss = (error.square_() * share).sum(1)
        return torch.stack([kl, entropy, value_loss, ((~free) * share).sum(1)])

    def _adapt_rate(self, kl: Float[Tensor, " P"]) -> None:
        """Move each member's learning rate towards the desired KL (Schulman et al. 2017)."""
        rate, desired = self._population.learning_rate, self._settings.desired_kl
        lower = (rate / _RATE_FACTOR).clamp_(min=_MIN_RATE)
        higher = (rate * _RATE_FACTOR).clamp_(max=_MAX_RATE)
        changed = torch.where(kl < desired / 2.0, higher, rate)
        rate.copy_(torch.where(kl > desired * 2.0, lower, changed))


def _normalized(
    advantage: Float[Tensor, "P M"], weight: Float[Tensor, "P M"], size: Float[Tensor, "P 1"]
) -> Float[Tensor, "P M"]:
    """Return advantages with mean 0 and variance 1 over a member's valid samples, else 0."""
    mean = (advantage * weight).sum(1, keepdim=True) / size
    centred = (advantage - mean).mul_(weight)
    variance = centred.square().sum(1, keepdim=True) / (size - 1.0).clamp_(min=1.0)
    return centred / variance.sqrt_().add_(_STD_EPSILON)


def permutations(
    generators: Sequence[torch.Generator], epochs: int, samples: int
) -> Int64[Tensor, "E P S"]:
    """Draw the sample order of a whole update from one generator per member."""
    order = [
        torch.stack([torch.randperm(samples, generator=g, device=g.device) for _ in range(epochs)])
        for g in generators
    ]
    return torch.stack(order, dim=1)
