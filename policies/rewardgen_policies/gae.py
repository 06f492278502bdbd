"""Generalized advantage estimation (Schulman et al. 2016) with exact bootstraps."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def advantages(
    reward: Float[Tensor, "P T N"],
    value: Float[Tensor, "P T N"],
    next_value: Float[Tensor, "P T N"],
    terminated: Bool[Tensor, "P T N"],
    ended: Bool[Tensor, "P T N"],
    valid: Bool[Tensor, "P T N"],
    gamma: float,
    gae_lambda: Float[Tensor, "P 1"],
) -> Float[Tensor, "P T N"]:
    """Return the advantages.

    Args:
        reward: reward of each transition.
        value: V of the state before it.
        next_value: V of the state after it; of the true last state where an episode ended.
        terminated: no value follows.
        ended: terminated or truncated: the λ-trace stops.
        valid: an invalid transition has advantage 0 and cuts the λ-trace.
        gamma: discount factor.
        gae_lambda: λ of each member.
    """
    bootstrap = torch.where(terminated, 0.0, next_value)
    delta = torch.where(valid, reward + gamma * bootstrap - value, 0.0)
    decay = (~ended & valid).to(value.dtype) * (gamma * gae_lambda).unsqueeze(1)
    result = torch.empty_like(delta)
    running = torch.zeros_like(delta[:, 0])
    for t in range(delta.shape[1] - 1, -1, -1):
        running = torch.addcmul(delta[:, t], decay[:, t], running)
        result[:, t] = running
    return result


def running_returns(
    reward: Float[Tensor, "P T N"],
    ended: Bool[Tensor, "P T N"],
    carry: Float[Tensor, "2 P N"],
    gamma: float,
) -> Float[Tensor, "T 2 P N"]:
    """Return sums of the rewards of the running episode up to each step.

    Args:
        reward: 0 where a transition does not count.
        ended: the sums start again after it.
        carry: sums at the start of the rollout: discounted, undiscounted. Updated in place.
        gamma: discount factor of the first sum; the second has none.
    """
    decay = carry.new_tensor([gamma, 1.0]).view(2, 1, 1)
    going = (~ended).to(reward.dtype)
    result = reward.new_empty(reward.shape[1], *carry.shape)
    running = carry.clone()
    for t in range(reward.shape[1]):
        torch.addcmul(reward[:, t], running, decay, out=result[t])
        running = result[t] * going[:, t]
    carry.copy_(running)
    return result
