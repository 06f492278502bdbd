"""Running moments, one set per member."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

CLIP = 10.0
_EPSILON = 1e-8


@dataclass(frozen=True)
class Moments:
    """Mean and variance of what each member has seen; float64, changed in place by ``merge``.

    Attributes:
        mean: (P, D).
        variance: (P, D).
        count: number of samples, (P, 1).
    """

    mean: Float[Tensor, "P D"]
    variance: Float[Tensor, "P D"]
    count: Float[Tensor, "P 1"]

    @staticmethod
    def empty(members: int, size: int) -> Moments:
        """Return moments that leave values as they are: mean 0, variance 1, no samples."""
        zeros = torch.zeros(members, size, dtype=torch.float64)
        return Moments(zeros, torch.ones_like(zeros), zeros.new_zeros(members, 1))

    def part(self, start: int, stop: int) -> Moments:
        """Return the moments of members ``start`` to ``stop``, as views."""
        return Moments(self.mean[start:stop], self.variance[start:stop], self.count[start:stop])

    def merge(
        self,
        mean: Float[Tensor, "P D"],
        variance: Float[Tensor, "P D"],
        count: Float[Tensor, "P 1"],
    ) -> None:
        """Add a batch by its moments (Chan et al. 1979); members without samples stay."""
        total = self.count + count
        share = count / total.clamp(min=1.0)
        delta = mean - self.mean
        between = delta.square() * (share * (1.0 - share))
        within = torch.lerp(self.variance, variance, share.expand_as(variance))
        seen = count > 0.0
        self.variance.copy_(torch.where(seen, within + between, self.variance))
        self.mean.copy_(torch.where(seen, self.mean + delta * share, self.mean))
        self.count.copy_(total)


class ObservationScale:
    """The normalization that a member's moments give, frozen when it is made.

    Args:
        moments: running moments of the observations, (P, O).
        dtype: of the observations.
    """

    def __init__(self, moments: Moments, dtype: torch.dtype) -> None:
        self._mean64 = moments.mean.clone()
        self._std64 = (moments.variance + _EPSILON).sqrt()
        self._mean = self._mean64.to(dtype).unsqueeze(1)
        self._inverse = self._std64.reciprocal().to(dtype).unsqueeze(1)

    @property
    def mean(self) -> Float[Tensor, "P 1 O"]:
        """What is subtracted."""
        return self._mean

    @property
    def inverse(self) -> Float[Tensor, "P 1 O"]:
        """What the difference is multiplied with: one over the standard deviation."""
        return self._inverse

    def apply(
        self, raw: Float[Tensor, "P M O"], out: Float[Tensor, "P M O"]
    ) -> Float[Tensor, "P M O"]:
        """Write the normalized observations to ``out``, which may be ``raw``; clip them later."""
        return torch.sub(raw, self._mean, out=out).mul_(self._inverse)

    def batch_moments(
        self, normalized: Float[Tensor, "P M O"], weight: Float[Tensor, "P M"]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return mean, variance (P, O) and count (P, 1) of the raw observations, float64.

        Computed from the normalized ones, where float32 sums do not cancel.

        Args:
            normalized: what ``apply`` gave, not clipped.
            weight: 1 for samples that count, else 0.
        """
        count = weight.sum(1, keepdim=True).to(torch.float64)
        if not bool(weight.all()):
            normalized = normalized * weight.unsqueeze(2)
        size = count.clamp(min=1.0)
        mean = normalized.sum(1).to(torch.float64) / size
        # member by member: one member's squares fit the cache
        square = torch.stack([own.square().sum(0) for own in normalized]).to(torch.float64)
        variance = (square / size - mean.square()).clamp_(min=0.0)
        return self._mean64 + self._std64 * mean, self._std64.square() * variance, count
