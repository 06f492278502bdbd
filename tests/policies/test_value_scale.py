from __future__ import annotations

import torch
from torch import Tensor

from rewardgen_policies.normalizer import Moments
from rewardgen_policies.value_scale import ValueScale


def make(members: int = 2) -> tuple[ValueScale, Moments, Tensor, Tensor]:
    torch.manual_seed(0)
    moments = Moments.empty(members, 1)
    weight, bias = torch.randn(members, 8, 2), torch.randn(members, 1, 2)
    weight[..., 1], bias[..., 1] = 0.0, 0.0
    return ValueScale(moments, weight, bias), moments, weight, bias


def values(scale: ValueScale, weight: Tensor, bias: Tensor, hidden: Tensor) -> Tensor:
    mean, std = scale.units()
    output = torch.baddbmm(bias, hidden, weight)[..., 0]
    return mean + std * output.to(torch.float64)


def test_values_stay_when_the_scale_moves() -> None:
    scale, moments, weight, bias = make()
    hidden = torch.randn(2, 50, 8)
    ones = torch.ones(2, 30)
    scale.begin(torch.randn(2, 30) * 40.0 + 300.0, ones)
    before = values(scale, weight, bias, hidden)
    for _ in range(5):
        scale.follow(torch.randn(2, 30) * 3.0 + 1.0, ones)
    mean, std = moments.mean.clone(), moments.variance.sqrt()
    torch.testing.assert_close(values(scale, weight, bias, hidden), before, atol=2e-2, rtol=1e-4)
    assert bool((mean > 300.0).all())
    assert bool((std > 40.0).all())
    assert not weight[..., 1].any()
    assert not bias[..., 1].any()


def test_first_targets_become_standard_and_keep_their_meaning() -> None:
    scale, _, _, _ = make()
    ones = torch.ones(2, 1000)
    scale.begin(torch.randn(2, 1000) - 7.0, ones)
    mean, std = scale.units()
    targets = torch.randn(2, 1000) * 5.0 + 2.0
    found = scale.follow(targets, ones)
    torch.testing.assert_close(found.mean(1), torch.zeros(2), atol=1e-4, rtol=0)
    torch.testing.assert_close(found.std(1), torch.ones(2), atol=1e-3, rtol=0)
    new_mean, new_std = scale.units()
    torch.testing.assert_close(new_mean + new_std * found, mean + std * targets, atol=1e-3, rtol=0)


def test_scale_comes_from_valid_samples_of_the_own_member_only() -> None:
    scale, moments, _, _ = make(3)
    returns = torch.tensor([[1.0, 3.0, 100.0], [5.0, 5.0, 5.0], [torch.inf, 0.0, 0.0]])
    weight = torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
    scale.begin(returns, weight)
    assert moments.mean[:, 0].tolist() == [2.0, 0.0, 0.0]
    assert moments.variance[:, 0].tolist() == [1.0, 1.0, 1.0]
    assert scale.fresh[:, 0].tolist() == [0.0, 1.0, 1.0]


def test_constant_returns_have_a_scale() -> None:
    scale, _, _, _ = make()
    scale.begin(torch.tensor([[0.0] * 4, [50.0] * 4]), torch.ones(2, 4))
    _, std = scale.units()
    assert std[0, 0] == 1.0
    assert 0.0 < float(std[1, 0]) < 0.1
