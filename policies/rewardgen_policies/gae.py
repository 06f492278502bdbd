"""Generalized advantage estimation (Schulman et al. 2016) with exact bootstraps."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def advantages(
    reward: Float[Tensor, "P T N"],
    value: Float[Tensor, "P T N"],
    bootstrap: Float[Tensor, "P T N"],
    ended: Bool[Tensor, "P T N"],
    valid: Bool[Tensor, "P T N"],
    gamma: float,
    gae_lambda: Float[Tensor, "P 1"],
) -> Float[Tensor, "P T N"]:
    """Return the advantages.

    Args:
        reward: reward of each transition.
        value: V of the state before it.
        bootstrap: V of the state after it: 0 after a termination; after a truncation that of
            the true last state.
        ended: the λ-trace stops.
        valid: an invalid transition has advantage 0 and cuts the λ-trace.
        gamma: discount factor.
        gae_lambda: λ of each member.
    """
    delta = torch.where(valid, reward + gamma * bootstrap - value, 0.0)
    decay = (~ended & valid).to(value.dtype) * (gamma * gae_lambda).unsqueeze(1)
    result = torch.empty_like(delta)
    running = torch.zeros_like(delta[:, 0])
    for t in range(delta.shape[1] - 1, -1, -1):
        running = torch.addcmul(delta[:, t], decay[:, t], running)
        result[:, t] = running
    return result


def episode_returns(
    reward: Float[Tensor, "P T N"],
    ended: Bool[Tensor, "P T N"],
    carry: Float[Tensor, "P N"],
) -> Float[Tensor, "P T N"]:
    """Return the sum of the rewards of the running episode up to each step.

    Args:
        reward: 0 where a transition does not count.
        ended: the sum starts again after it.
        carry: the sums at the start of the rollout; updated in place.
    """
    going = (~ended).to(reward.dtype)
    result = torch.empty_like(reward)
    running = carry.clone()
    for t in range(reward.shape[1]):
        result[:, t] = running + reward[:, t]
        running = result[:, t] * going[:, t]
    carry.copy_(running)
    return result
