from __future__ import annotations

import math

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from rewardgen_envs.draw import Draw

MASK = (1 << 64) - 1
GAMMA, MIX_1, MIX_2 = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def one(seed: int, world: int, episode: int) -> Draw:
    return Draw(torch.tensor([seed]), torch.tensor([world]), torch.tensor([episode]))


def split_mix(x: int) -> int:
    """SplitMix64's finalizer in plain integers (Steele, Lea & Flood 2014)."""
    x = ((x ^ (x >> 30)) * MIX_1) & MASK
    x = ((x ^ (x >> 27)) * MIX_2) & MASK
    return x ^ (x >> 31)


def expected_uniform(seed: int, world: int, episode: int, name_key: int, index: int) -> float:
    key = split_mix((seed + GAMMA) & MASK)
    key = split_mix(key ^ ((world * GAMMA + MIX_1) & MASK))
    key = split_mix(key ^ ((episode * GAMMA + MIX_2) & MASK))
    bits = split_mix(((key ^ name_key) + (index + 1) * GAMMA) & MASK)
    return (bits >> 40) * 2.0**-24


@given(st.integers(0, 2**63 - 1), st.integers(0, 2**40), st.integers(0, 2**40), st.integers(0, 6))
def test_uniform_is_split_mix_64_of_the_counters(
    seed: int, world: int, episode: int, index: int
) -> None:
    name_key = 0xA5845833828CBEB4  # blake2b of "goal", 8 bytes
    drawn = one(seed, world, episode).uniform("goal", (7,))
    assert float(drawn[0, index]) == expected_uniform(seed, world, episode, name_key, index)


def test_known_answers() -> None:
    """Numbers noted once: a change would silently give stored seeds other episodes."""
    draw = one(1, 2, 3)
    assert draw.uniform("position", (2,)).tolist() == [[0.9629940986633301, 0.18829745054244995]]
    np.testing.assert_allclose(
        draw.normal("velocity", (2,)), [[-0.6170449063856573, -0.2609423072436486]], rtol=1e-12
    )


@given(st.lists(st.tuples(*[st.integers(0, 1000)] * 3), min_size=1, max_size=20))
def test_a_row_does_not_depend_on_the_others(keys: list[tuple[int, int, int]]) -> None:
    seed, world, episode = (torch.tensor(column) for column in zip(*keys, strict=True))
    together = Draw(seed, world, episode)
    for row, key in enumerate(keys):
        alone = one(*key)
        assert torch.equal(together.uniform("x", (3,))[row], alone.uniform("x", (3,))[0])
        assert torch.equal(together.normal("x", (3,))[row], alone.normal("x", (3,))[0])


def test_order_of_calls_does_not_matter() -> None:
    first, second = one(5, 0, 0), one(5, 0, 0)
    a, b = first.uniform("a", (4,)), first.normal("b", (4,))
    assert torch.equal(second.normal("b", (4,)), b)
    assert torch.equal(second.uniform("a", (4,)), a)


def test_a_larger_shape_only_adds_numbers() -> None:
    assert torch.equal(one(1, 1, 1).uniform("a", (6,))[:, :4], one(1, 1, 1).uniform("a", (4,)))


def test_each_key_and_each_name_has_a_stream_of_its_own() -> None:
    base = (3, 4, 5)
    others = [(4, 4, 5), (3, 5, 5), (3, 4, 6), (4, 3, 5), (5, 4, 3)]
    stream = one(*base).uniform("a", (8,))
    assert not torch.equal(stream, one(*base).uniform("b", (8,)))
    for other in others:
        assert not torch.equal(stream, one(*other).uniform("a", (8,)))


def many() -> Draw:
    seed, world, episode = torch.meshgrid(
        torch.arange(20), torch.arange(50), torch.arange(20), indexing="ij"
    )
    return Draw(seed.flatten(), world.flatten(), episode.flatten())


def test_uniform_fills_its_interval_evenly() -> None:
    drawn = many().uniform("u", (), -2.0, 3.0).numpy()
    assert drawn.min() >= -2.0
    assert drawn.max() < 3.0
    counts, _ = np.histogram(drawn, bins=50, range=(-2.0, 3.0))
    chi_square = ((counts - 400.0) ** 2 / 400.0).sum()
    assert chi_square < 90.0  # 49 degrees of freedom: p > 3e-4


def test_normal_has_the_moments_and_tails_of_a_normal() -> None:
    drawn = many().normal("n", (2,), mean=1.0, std=2.0)
    z = ((drawn - 1.0) / 2.0).flatten().numpy()
    assert abs(z.mean()) < 0.02
    assert abs(z.std() - 1.0) < 0.02
    assert abs((z**3).mean()) < 0.05
    assert abs((z**4).mean() - 3.0) < 0.15
    inside = (np.abs(z) < 1.0).mean()
    assert abs(inside - math.erf(1.0 / math.sqrt(2.0))) < 0.01


def test_neighbouring_streams_are_uncorrelated() -> None:
    draw = many()
    columns = draw.uniform("u", (3,)).numpy()
    grid = columns[:, 0].reshape(20, 50, 20)
    pairs = [
        (columns[:, 0], columns[:, 1]),
        (grid[1:].ravel(), grid[:-1].ravel()),
        (grid[:, 1:].ravel(), grid[:, :-1].ravel()),
        (grid[:, :, 1:].ravel(), grid[:, :, :-1].ravel()),
        (columns[:, 0], draw.uniform("v", (1,)).numpy()[:, 0]),
    ]
    for a, b in pairs:
        assert abs(np.corrcoef(a, b)[0, 1]) < 0.03
