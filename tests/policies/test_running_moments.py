from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardgen_policies.normalizer import Moments, ObservationScale


def batch(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    count = torch.full((x.shape[0], 1), float(x.shape[1]), dtype=torch.float64)
    return x.mean(1), x.var(1, correction=0), count


@settings(deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=6), st.integers(0, 100))
def test_merged_batches_have_the_moments_of_all_samples(sizes: list[int], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    data = torch.randn(2, sum(sizes), 3, dtype=torch.float64, generator=generator) * 5.0 + 100.0
    moments = Moments.empty(2, 3)
    for part in data.split(sizes, dim=1):
        moments.merge(*batch(part))
    torch.testing.assert_close(moments.mean, data.mean(1))
    torch.testing.assert_close(moments.variance, data.var(1, correction=0))
    assert moments.count[0, 0] == sum(sizes)


def test_members_without_samples_stay() -> None:
    moments = Moments.empty(2, 3)
    x = torch.randn(2, 10, 3, dtype=torch.float64)
    mean, variance, count = batch(x)
    count[1] = 0.0
    moments.merge(mean * 7.0, variance, count)
    assert torch.equal(moments.mean[1], torch.zeros(3, dtype=torch.float64))
    assert torch.equal(moments.variance[1], torch.ones(3, dtype=torch.float64))
    torch.testing.assert_close(moments.mean[0], mean[0] * 7.0)


def test_scale_gives_zero_mean_and_unit_variance() -> None:
    x = torch.randn(2, 500, 3) * torch.tensor([0.01, 1.0, 300.0]) + torch.tensor([5.0, 0.0, -900.0])
    moments = Moments.empty(2, 3)
    moments.merge(*batch(x.to(torch.float64)))
    normalized = ObservationScale(moments, x.dtype).apply(x, torch.empty_like(x))
    torch.testing.assert_close(normalized.mean(1), torch.zeros(2, 3), atol=1e-3, rtol=0)
    torch.testing.assert_close(normalized.std(1), torch.ones(2, 3), atol=5e-3, rtol=0)


def test_batch_moments_are_those_of_the_valid_raw_observations() -> None:
    torch.manual_seed(0)
    moments = Moments.empty(2, 3)
    offset = torch.tensor([1000.0, 0.0, -3.0])
    for _ in range(2):
        raw = torch.randn(2, 200, 3) * torch.tensor([0.1, 1.0, 30.0]) + offset
        weight = (torch.rand(2, 200) > 0.3).to(torch.float32)
        scale = ObservationScale(moments, raw.dtype)
        found = scale.batch_moments(scale.apply(raw, torch.empty_like(raw)), weight)
        for member in range(2):
            kept = raw[member][weight[member] > 0].to(torch.float64)
            torch.testing.assert_close(found[0][member], kept.mean(0), atol=1e-3, rtol=1e-5)
            assert found[2][member, 0] == len(kept)
        moments.merge(*found)
    # the second batch is seen through the first one's scale, where float32 does not cancel
    torch.testing.assert_close(found[1][member], kept.var(0, correction=0), atol=0, rtol=1e-3)


def test_empty_moments_leave_observations_as_they_are() -> None:
    x = torch.randn(2, 5, 3)
    scale = ObservationScale(Moments.empty(2, 3), x.dtype)
    torch.testing.assert_close(scale.apply(x, torch.empty_like(x)), x)
