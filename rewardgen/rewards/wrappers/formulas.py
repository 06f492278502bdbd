"""The formulas of wrappers that need no memory: pure torch, alike for any shape of the tensors.

Only torch may be used here: an exported reward carries a copy of the one that it needs. Each takes
a reward and its terms and returns the composed reward and the terms to report. Sums and products
go term by term, so that no number depends on how many others are computed beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

Composed = tuple[Tensor, dict[str, Tensor]]
"""The reward, and its terms by name; all of one shape."""


def pbrs(
    reward: Tensor,
    terms: Mapping[str, Tensor],
    potential: str,
    before: Tensor,
    terminated: Tensor,
    gamma: float,
) -> Composed:
    """Return R + γΦ(s') - Φ(s), where a state that terminates the episode has the potential 0.

    Args:
        reward: R.
        terms: its terms, Φ(s') among them.
        potential: the term that is Φ(s').
        before: Φ(s).
        terminated: whether the transition terminates the episode; a truncation does not.
        gamma: the discount factor that the policy is trained with.
    """
    shaping = gamma * torch.where(terminated, 0.0, terms[potential]) - before
    return reward + shaping, {**terms, "shaping": shaping}


def weighted_sum(
    reward: Tensor, terms: Mapping[str, Tensor], weights: Mapping[str, float]
) -> Composed:
    """Return the weighted sum of the terms that have a weight, and these as weighted."""
    del reward
    parts = {name: weight * terms[name] for name, weight in weights.items()}
    values = list(parts.values())
    total = values[0]
    for value in values[1:]:
        total = total + value
    return total, parts


def krc(reward: Tensor, terms: Mapping[str, Tensor], names: Sequence[str]) -> Composed:
    """Return the geometric mean of the terms' sizes, negative unless no term is negative."""
    del reward
    parts = [terms[name] for name in names or terms]
    size = parts[0].abs().log()
    positive = parts[0] >= 0.0
    for part in parts[1:]:
        size = size + part.abs().log()
        positive = positive & (part >= 0.0)
    mean = torch.exp(size / len(parts))
    return torch.where(positive, mean, -mean), dict(terms)


def gate(
    reward: Tensor,
    terms: Mapping[str, Tensor],
    names: Sequence[str],
    least: Sequence[float],
) -> Composed:
    """Return the sum of the terms, each counted only where all before it are large enough.

    Args:
        reward: not used.
        terms: the terms.
        names: those that count, the most important first.
        least: how large each but the last has to be for those after it to count.
    """
    del reward
    total = terms[names[0]]
    opened = torch.ones_like(total, dtype=torch.bool)
    for higher, bar, name in zip(names, least, names[1:], strict=False):
        opened = opened & (terms[higher] >= bar)
        total = total + torch.where(opened, terms[name], 0.0)
    return total, dict(terms)


def par(
    reward: Tensor, terms: Mapping[str, Tensor], references: Sequence[float], slope: float
) -> Composed:
    """Return the mean over the references of the sigmoid of the reward's lead, times the slope."""
    total = torch.zeros_like(reward)
    for reference in references:
        total = total + torch.sigmoid(slope * (reward - reference))
    return total / len(references), dict(terms)


def wco(reward: Tensor, terms: Mapping[str, Tensor], names: Sequence[str]) -> Composed:
    """Return the smallest of the terms: the worst case of an ensemble."""
    del reward
    parts = [terms[name] for name in names or terms]
    least = parts[0]
    for part in parts[1:]:
        least = torch.minimum(least, part)
    return least, dict(terms)


def uwo(
    reward: Tensor, terms: Mapping[str, Tensor], names: Sequence[str], weight: float
) -> Composed:
    """Return the mean of the terms minus their variance, times the weight."""
    del reward
    parts = [terms[name] for name in names or terms]
    total = torch.zeros_like(parts[0])
    for part in parts:
        total = total + part
    mean = total / len(parts)
    squares = torch.zeros_like(mean)
    for part in parts:
        squares = squares + (part - mean) ** 2
    return mean - weight * (squares / len(parts)), dict(terms)
