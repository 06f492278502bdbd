"""Adam (Kingma & Ba 2015) over stacked parameters, one step size per member."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

BETA_1 = 0.9
BETA_2 = 0.999
EPSILON = 1e-5


class StackedAdam:
    """Adam for P members; works in place on the tensors given.

    Args:
        parameters: (P, K).
        first: running mean of the gradients, (P, K).
        second: running mean of their squares, (P, K).
        steps: steps taken so far, (P,).
    """

    def __init__(
        self,
        parameters: Float[Tensor, "P K"],
        first: Float[Tensor, "P K"],
        second: Float[Tensor, "P K"],
        steps: Int64[Tensor, " P"],
    ) -> None:
        self._parameters = parameters
        self._first = first
        self._second = second
        self._steps = steps
        self._change = torch.empty_like(parameters)

    def step(
        self,
        gradients: Float[Tensor, "P K"],
        learning_rate: Float[Tensor, " P"],
        max_norm: Float[Tensor, "P 1"],
        active: Bool[Tensor, " P"],
    ) -> Bool[Tensor, " P"]:
        """Clip each member's gradient to its norm and take one step.

        Args:
            gradients: overwritten.
            learning_rate: one per member, float64.
            max_norm: limit of the Euclidean norm of a member's gradient.
            active: members that learn; the others stay as they are.

        Returns:
            ``active`` without the members whose gradient is not finite.
        """
        square = torch.mul(gradients, gradients, out=self._change)
        norm = square.sum(1, keepdim=True).sqrt_()
        active = active & torch.isfinite(norm[:, 0])
        moves = active.unsqueeze(1)
        if not bool(active.all()):
            gradients.masked_fill_(~moves, 0.0)
            norm = norm.masked_fill(~moves, 0.0)
        gradients.mul_((max_norm / (norm + 1e-6)).clamp_(max=1.0))
        self._steps += active
        taken = self._steps.clamp(min=1).unsqueeze(1).to(torch.float64)
        size = learning_rate.unsqueeze(1) / (1.0 - BETA_1**taken) * moves
        correction = (1.0 - BETA_2**taken).sqrt_().to(gradients.dtype)
        self._first.lerp_(gradients, 1.0 - BETA_1)
        self._second.mul_(BETA_2).addcmul_(gradients, gradients, value=1.0 - BETA_2)
        change = torch.sqrt(self._second, out=self._change)
        change.div_(correction).add_(EPSILON)
        torch.div(self._first, change, out=change)
        self._parameters.addcmul_(change, size.to(gradients.dtype), value=-1.0)
        return active
