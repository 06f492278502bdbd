"""What turns the actor's outputs into actions: a Gaussian, or a choice.

Gradients are written out, like those of the networks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from rewardgen_policies.networks import Layout

_LOG_SQRT_2PI = 0.5 * math.log(2.0 * math.pi)


@dataclass(frozen=True)
class Likelihood:
    """How probable actions are, and what the backward pass needs again.

    Attributes:
        log_prob: (P, M).
        entropy: of the policy in each state, (P, M) or (P, 1) if it is the same in all.
        detail: standardized actions (P, M, A), or log-probabilities of all choices (P, M, A).
        action: as given.
    """

    log_prob: Float[Tensor, "P M"]
    entropy: Float[Tensor, "P _"]
    detail: Float[Tensor, "P M A"]
    action: Tensor


class Head(Protocol):
    """The distribution of actions given the actor's outputs (P, M, ≥ A)."""

    def noise(self, generators: list[torch.Generator], steps: int, worlds: int) -> Tensor:
        """Draw the action noise of a whole rollout, (P, T, N, A), member by member."""
        ...

    def sample(self, outputs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return actions (P, M, ·) and their log-probabilities (P, M)."""
        ...

    def mode(self, outputs: Tensor) -> Tensor:
        """Return the deterministic policy's actions."""
        ...

    def likelihood(self, outputs: Tensor, action: Tensor) -> Likelihood:
        """Return the likelihood of ``action``."""
        ...

    def backward(
        self, likelihood: Likelihood, log_prob: Tensor, entropy: Tensor
    ) -> Float[Tensor, "P M columns"]:
        """Return the gradient of the outputs; also writes that of the head's own parameters.

        Args:
            likelihood: of the same outputs.
            log_prob: gradient of the loss with respect to each log-probability, (P, M).
            entropy: the same for the entropy of each state, (P, M).
        """
        ...


class GaussianHead:
    """Independent normal actions; the standard deviation does not depend on the state.

    Args:
        log_std: (P, 1, A).
        gradient: the same shape; ``backward`` writes it.
    """

    def __init__(self, log_std: Float[Tensor, "P 1 A"], gradient: Float[Tensor, "P 1 A"]) -> None:
        self._log_std = log_std
        self._gradient = gradient
        self._size = log_std.shape[2]
        self._columns = max(2, self._size)

    def noise(self, generators: list[torch.Generator], steps: int, worlds: int) -> Tensor:
        """Draw standard normal noise, (P, T, N, A)."""
        shape = (steps, worlds, self._size)
        return torch.stack([torch.randn(shape, generator=g, device=g.device) for g in generators])

    def sample(self, outputs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return actions (P, M, A), unbounded, and their log-probabilities (P, M)."""
        action = torch.addcmul(outputs[..., : self._size], noise, self._log_std.exp())
        return action, self._log_prob(noise.square())

    def mode(self, outputs: Tensor) -> Tensor:
        """Return the means (P, M, A)."""
        return outputs[..., : self._size]

    def likelihood(self, outputs: Tensor, action: Tensor) -> Likelihood:
        """Return the likelihood of actions (P, M, A)."""
        z = (action - outputs[..., : self._size]).mul_(torch.exp(-self._log_std))
        entropy = (self._log_std + (0.5 + _LOG_SQRT_2PI)).sum(-1)
        return Likelihood(self._log_prob(z.square()), entropy, z, action)

    def backward(self, likelihood: Likelihood, log_prob: Tensor, entropy: Tensor) -> Tensor:
        """Return the gradient of the outputs, write that of ``log_std``."""
        z, weight = likelihood.detail, log_prob.unsqueeze(2)
        scale = (z.square() - 1.0).mul_(weight).sum(1, keepdim=True)
        torch.add(scale, entropy.sum(1)[:, None, None], out=self._gradient)
        gradient = z.new_zeros(*z.shape[:2], self._columns)
        torch.mul(z * torch.exp(-self._log_std), weight, out=gradient[..., : self._size])
        return gradient

    def _log_prob(self, square: Tensor) -> Tensor:
        constant = (self._log_std + _LOG_SQRT_2PI).sum(-1)
        return square.sum(-1).mul_(-0.5).sub_(constant)


class CategoricalHead:
    """One of several choices; outputs are logits."""

    def __init__(self, choices: int) -> None:
        self._choices = choices

    def noise(self, generators: list[torch.Generator], steps: int, worlds: int) -> Tensor:
        """Draw Gumbel noise, (P, T, N, A)."""
        shape = (steps, worlds, self._choices)
        uniform = torch.stack([torch.rand(shape, generator=g, device=g.device) for g in generators])
        return uniform.log_().neg_().log_().neg_()

    def sample(self, outputs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return choices (P, M) by the Gumbel-max trick and their log-probabilities."""
        log_probs = outputs[..., : self._choices].log_softmax(-1)
        action = (log_probs + noise).argmax(-1)
        return action, log_probs.gather(-1, action.unsqueeze(-1))[..., 0]

    def mode(self, outputs: Tensor) -> Tensor:
        """Return the most probable choices (P, M)."""
        return outputs[..., : self._choices].argmax(-1)

    def likelihood(self, outputs: Tensor, action: Tensor) -> Likelihood:
        """Return the likelihood of choices (P, M, 1), whole numbers of any dtype."""
        log_probs = outputs[..., : self._choices].log_softmax(-1)
        index = action.to(torch.int64)
        entropy = -(log_probs.exp() * log_probs).sum(-1)
        return Likelihood(log_probs.gather(-1, index)[..., 0], entropy, log_probs, index)

    def backward(self, likelihood: Likelihood, log_prob: Tensor, entropy: Tensor) -> Tensor:
        """Return the gradient of the logits (P, M, A)."""
        log_probs = likelihood.detail
        probs = log_probs.exp()
        bonus = (log_probs + likelihood.entropy.unsqueeze(-1)) * entropy.unsqueeze(-1)
        gradient = -probs * (bonus + log_prob.unsqueeze(-1))
        return gradient.scatter_add_(-1, likelihood.action, log_prob.unsqueeze(-1))


def make_head(layout: Layout, parameters: Tensor, gradients: Tensor) -> Head:
    """Return the head for members' parameters (P, K) and their gradients (P, K)."""
    if layout.spec.discrete:
        return CategoricalHead(layout.spec.action_size)
    return GaussianHead(layout.views(parameters)["log_std"], layout.views(gradients)["log_std"])
