"""The scale in which a critic works, per member (PopArt, van Hasselt et al. 2016).

V = mean + std * output. Rewards come in any unit and with any constant added; in this scale the
critic's targets have mean 0 and variance 1 whatever they are. When the scale moves, the critic's
head is rewritten so that its values stay.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from rewardgen_policies.normalizer import Moments

# Values rise while a policy learns, so the scale follows the last few batches. The variance is
# that within a batch: the drift of the mean would hide what distinguishes states.
_MEAN_RATE, _VARIANCE_RATE = 0.5, 0.2
_MIN_STD = 1e-4  # relative to the mean: below it float32 could not tell values apart


class ValueScale:
    """Follows the critic's targets.

    Args:
        moments: of the targets, (P, 1); changed in place.
        weight: of the critic's head, (P, H, stored); changed in place.
        bias: of the critic's head, (P, 1, stored); changed in place.
    """

    def __init__(self, moments: Moments, weight: Tensor, bias: Tensor) -> None:
        self._moments = moments
        self._weight = weight
        self._bias = bias

    @property
    def fresh(self) -> Float[Tensor, "P 1"]:
        """1 for members that have no scale yet, else 0."""
        return (self._moments.count == 0.0).to(torch.float64)

    def units(self) -> tuple[Float[Tensor, "P 1"], Float[Tensor, "P 1"]]:
        """Return mean and standard deviation, float64; 0 and 1 before there is a scale."""
        mean = self._moments.mean
        std = torch.maximum(self._moments.variance.sqrt(), mean.abs() * _MIN_STD)
        return mean.clone(), torch.where(std > 0.0, std, 1.0)

    def begin(self, returns: Float[Tensor, "P S"], weight: Float[Tensor, "P S"]) -> None:
        """Give fresh members a first scale, from the rewards alone.

        Args:
            returns: discounted rewards to come.
            weight: 1 for samples that count, else 0.
        """
        mean, variance, count = _moments(returns, weight)
        # one sample's weight: the first real targets replace it
        self._moments.merge(mean, variance, count.clamp(max=1.0) * self.fresh)

    def follow(
        self, targets: Float[Tensor, "P S"], weight: Float[Tensor, "P S"]
    ) -> Float[Tensor, "P S"]:
        """Move the scale towards the targets and return them in the new one.

        Args:
            targets: of the critic, in the present scale.
            weight: 1 for samples that count, else 0.
        """
        old_mean, old_std = self.units()
        mean, variance, count = _moments(targets, weight)
        moments, seen = self._moments, (count > 0.0).to(torch.float64)
        first = moments.count <= 1.0
        mean_rate = torch.where(first, 1.0, _MEAN_RATE) * seen
        variance_rate = torch.where(first, 1.0, _VARIANCE_RATE) * seen
        moments.mean.lerp_(old_mean + old_std * mean, mean_rate)
        moments.variance.lerp_(old_std.square() * variance, variance_rate)
        moments.count.add_(count)
        new_mean, new_std = self.units()
        ratio = (old_std / new_std).to(targets.dtype)
        shift = ((old_mean - new_mean) / new_std).to(targets.dtype)
        self._weight.mul_(ratio.unsqueeze(2))
        self._bias.mul_(ratio.unsqueeze(2))
        self._bias[..., 0].add_(shift)
        return targets * ratio + shift


def _moments(
    values: Float[Tensor, "P S"], weight: Float[Tensor, "P S"]
) -> tuple[Float[Tensor, "P 1"], Float[Tensor, "P 1"], Float[Tensor, "P 1"]]:
    """Return mean, variance and number of the samples that count; none if not finite."""
    wide, weight = values.to(torch.float64), weight.to(torch.float64)
    count = weight.sum(1, keepdim=True)
    size = count.clamp(min=1.0)
    mean = (wide * weight).sum(1, keepdim=True) / size
    variance = ((wide - mean).square() * weight).sum(1, keepdim=True) / size
    finite = torch.isfinite(mean) & torch.isfinite(variance)
    zero = torch.zeros_like(mean)
    return (
        torch.where(finite, mean, zero),
        torch.where(finite, variance, zero),
        torch.where(finite, count, zero),
    )
