from __future__ import annotations

import torch

from rewardgen_policies.adam import EPSILON, StackedAdam

P, K = 3, 64


def make(dtype: torch.dtype = torch.float64) -> tuple[StackedAdam, list[torch.Tensor]]:
    torch.manual_seed(0)
    tensors = [torch.randn(P, K, dtype=dtype), torch.zeros(P, K, dtype=dtype)]
    tensors += [torch.zeros(P, K, dtype=dtype), torch.zeros(P, dtype=torch.int64)]
    return StackedAdam(*tensors), tensors


def test_equals_torch_adam_with_clipping_for_every_member() -> None:
    adam, (parameters, _, _, steps) = make()
    rates = torch.tensor([1e-3, 1e-2, 3e-4], dtype=torch.float64)
    limits = torch.tensor([[0.5], [100.0], [2.0]], dtype=torch.float64)
    everyone = torch.ones(P, dtype=torch.bool)
    theirs = [torch.nn.Parameter(row.clone()) for row in parameters]
    optimizers = [
        torch.optim.Adam([p], lr=float(rate), eps=EPSILON)
        for p, rate in zip(theirs, rates, strict=True)
    ]
    for _ in range(10):
        gradients = torch.randn(P, K, dtype=torch.float64)
        for i, (p, optimizer) in enumerate(zip(theirs, optimizers, strict=True)):
            p.grad = gradients[i].clone()
            torch.nn.utils.clip_grad_norm_([p], float(limits[i]))
            optimizer.step()
        assert bool(adam.step(gradients, rates, limits, everyone).all())
    torch.testing.assert_close(parameters, torch.stack([p.data for p in theirs]))
    assert steps.tolist() == [10, 10, 10]


def test_members_with_bad_gradients_and_inactive_ones_keep_their_weights() -> None:
    adam, (parameters, _, _, steps) = make()
    before = parameters.clone()
    gradients = torch.randn(P, K, dtype=torch.float64)
    gradients[1, 5] = torch.inf
    active = torch.tensor([True, True, False])
    rates = torch.full((P,), 1e-3, dtype=torch.float64)
    limits = torch.ones(P, 1, dtype=torch.float64)
    left = adam.step(gradients, rates, limits, active)
    assert left.tolist() == [True, False, False]
    assert torch.equal(parameters[1:], before[1:])
    assert not torch.equal(parameters[0], before[0])
    assert steps.tolist() == [1, 0, 0]


def test_a_bad_neighbour_changes_no_bit() -> None:
    results: list[torch.Tensor] = []
    for bad in (False, True):
        adam, (parameters, *_) = make(torch.float32)
        active = torch.ones(P, dtype=torch.bool)
        generator = torch.Generator().manual_seed(1)
        for _ in range(3):
            gradients = torch.randn(P, K, generator=generator)
            if bad:
                gradients[2] = torch.nan
            active = adam.step(gradients, torch.full((P,), 1e-2), torch.ones(P, 1), active)
        results.append(parameters[:2].clone())
    assert torch.equal(*results)
