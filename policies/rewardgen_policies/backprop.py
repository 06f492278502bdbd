"""Backward pass of stacked multilayer perceptrons, written out.

By hand, because buffers that live as long as the training cost half of what autograd does at
these sizes; a test compares it with autograd.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

# error * (1 - output²) in one pass over memory
_through_tanh: Callable[..., Tensor] = torch.ops.aten.tanh_backward.grad_input


class MlpPass:
    """Forward and backward of P stacked tanh networks over M rows each, with their buffers.

    Args:
        net: (weight, bias) views of each layer, (P, in, out) and (P, 1, out).
        gradients: the same of the gradients; ``backward`` writes them.
        rows: M.
    """

    def __init__(
        self,
        net: list[tuple[Tensor, Tensor]],
        gradients: list[tuple[Tensor, Tensor]],
        rows: int,
    ) -> None:
        self._net = net
        self._gradients = gradients

        def buffers() -> list[Tensor]:
            return [w.new_empty(w.shape[0], rows, w.shape[2]) for w, _ in net]

        self._outputs = buffers()
        self._errors = buffers()[:-1]
        self._input = self._outputs[0]

    def forward(self, x: Float[Tensor, "P M inputs"]) -> Float[Tensor, "P M outputs"]:
        """Return the outputs; valid until the next call."""
        self._input = x
        last = len(self._net) - 1
        for index, (weight, bias) in enumerate(self._net):
            torch.baddbmm(bias, x, weight, out=self._outputs[index])
            x = self._outputs[index]
            if index < last:
                x.tanh_()
        return x

    def backward(self, error: Float[Tensor, "P M outputs"]) -> None:
        """Write the gradients of all weights and biases, given that of the outputs."""
        for index in range(len(self._net) - 1, -1, -1):
            below = self._outputs[index - 1] if index else self._input
            weight_gradient, bias_gradient = self._gradients[index]
            weight_gradient.copy_(torch.bmm(below.mT, error))
            torch.sum(error, 1, keepdim=True, out=bias_gradient)
            if index:
                below_error = self._errors[index - 1]
                torch.bmm(error, self._net[index][0].mT, out=below_error)
                error = _through_tanh(below_error, below, grad_input=below_error)
