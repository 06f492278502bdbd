from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from rewardgen_policies.backprop import MlpPass
from rewardgen_policies.networks import Layout, NetworkSpec, forward, initial_parameters, layers

SPECS = [
    NetworkSpec(5, 1, discrete=False, hidden=(16, 16)),
    NetworkSpec(7, 3, discrete=False, hidden=(8,)),
    NetworkSpec(4, 3, discrete=True, hidden=(8, 6, 5)),
]


def stacked(spec: NetworkSpec, members: int, dtype: torch.dtype) -> tuple[Layout, Tensor]:
    layout = Layout(spec)
    rows = torch.zeros(members, layout.size, dtype=dtype)
    for seed, row in enumerate(rows):
        layout.pack(initial_parameters(spec, seed, 0.5), row)
    return layout, rows


def reference(parameters: dict[str, Tensor], net: str) -> nn.Sequential:
    modules: list[nn.Module] = []
    index = 0
    while f"{net}.{index}.weight" in parameters:
        weight, bias = parameters[f"{net}.{index}.weight"], parameters[f"{net}.{index}.bias"]
        linear = nn.Linear(*weight.shape)
        linear.weight.data, linear.bias.data = weight.mT.clone(), bias.clone()
        modules += [linear, nn.Tanh()]
        index += 1
    return nn.Sequential(*modules[:-1])


@pytest.mark.parametrize("spec", SPECS)
def test_pack_and_unpack_are_inverse(spec: NetworkSpec) -> None:
    layout, rows = stacked(spec, 3, torch.float32)
    for seed, row in enumerate(rows):
        expected = initial_parameters(spec, seed, 0.5)
        found = layout.unpack(row)
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("net", ["actor", "critic"])
def test_forward_equals_separate_torch_modules(spec: NetworkSpec, net: str) -> None:
    layout, rows = stacked(spec, 3, torch.float32)
    x = torch.randn(3, 10, spec.observation_size)
    outputs = forward(layers(layout.views(rows), net), x)
    for member in range(3):
        module = reference(layout.unpack(rows[member]), net)
        expected = module(x[member])
        torch.testing.assert_close(outputs[member, :, : expected.shape[1]], expected)


@pytest.mark.parametrize("spec", SPECS)
def test_backward_equals_autograd(spec: NetworkSpec) -> None:
    layout, rows = stacked(spec, 4, torch.float64)
    gradients = torch.full_like(rows, torch.nan)
    x = torch.randn(4, 9, spec.observation_size, dtype=torch.float64)
    for net in ("actor", "critic"):
        own, grads = layers(layout.views(rows), net), layers(layout.views(gradients), net)
        error = torch.randn(4, 9, own[-1][0].shape[2], dtype=torch.float64)
        passes = MlpPass(own, grads, 9)
        torch.testing.assert_close(passes.forward(x), forward(own, x))
        passes.backward(error)

        leaves = [t.detach().clone().requires_grad_() for layer in own for t in layer]
        y = x
        for index in range(0, len(leaves), 2):
            y = torch.baddbmm(leaves[index + 1], y, leaves[index])
            y = y.tanh() if index < len(leaves) - 2 else y
        expected = torch.autograd.grad(y, leaves, error)
        found = [t for layer in grads for t in layer]
        for a, b in zip(found, expected, strict=True):
            torch.testing.assert_close(a, b)


def test_initial_weights_are_orthogonal_and_follow_the_seed() -> None:
    spec = NetworkSpec(5, 2, discrete=False, hidden=(16, 16))
    first, again, other = (initial_parameters(spec, seed, 0.5) for seed in (3, 3, 4))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["actor.0.weight"], other["actor.0.weight"])
    assert not torch.equal(first["actor.1.weight"], first["critic.1.weight"])
    for name, gain in (("actor.1", math.sqrt(2.0)), ("actor.2", 0.01), ("critic.2", 1.0)):
        weight = first[f"{name}.weight"]
        gram = weight.mT @ weight
        torch.testing.assert_close(gram, gain**2 * torch.eye(len(gram)), atol=1e-5, rtol=0)
        assert not first[f"{name}.bias"].any()
    torch.testing.assert_close(first["log_std"].exp(), torch.full((2,), 0.5))
