from __future__ import annotations

import math
from pathlib import Path
from typing import get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from rewardgen.rewards import vocabulary
from rewardgen.rewards.code import VOCABULARY
from rewardgen.rewards.vocabulary import Sigmoid, tolerance

SIGMOIDS = get_args(Sigmoid)
Z = torch.tensor([0.0, 0.0, 1.0])


def turn(angle: float, axis: int) -> Tensor:
    quaternion = torch.zeros(4)
    quaternion[0], quaternion[1 + axis] = math.cos(angle / 2), math.sin(angle / 2)
    return quaternion


@pytest.mark.parametrize("sigmoid", SIGMOIDS)
@given(
    lower=st.floats(-5, 5),
    width=st.floats(0, 5),
    margin=st.floats(0.01, 5),
    value=st.floats(0.01, 0.99),
)
def test_tolerance_is_one_inside_and_has_its_value_at_the_margin(
    sigmoid: Sigmoid, lower: float, width: float, margin: float, value: float
) -> None:
    bounds = (lower, lower + width)
    x = torch.tensor(
        [bounds[0] - margin, bounds[0], (bounds[0] + bounds[1]) / 2, bounds[1], bounds[1] + margin],
        dtype=torch.float64,
    )
    got = tolerance(x, bounds, margin, sigmoid, value)
    assert torch.allclose(got[1:4], torch.ones(3, dtype=torch.float64))
    assert got[0].item() == pytest.approx(value, rel=1e-6)
    assert got[4].item() == pytest.approx(value, rel=1e-6)


@pytest.mark.parametrize("sigmoid", SIGMOIDS)
def test_tolerance_falls_with_distance_within_0_and_1(sigmoid: Sigmoid) -> None:
    got = tolerance(torch.linspace(0.0, 20.0, 400), (0.0, 1.0), 2.0, sigmoid)
    assert bool((got.diff() <= 0.0).all())
    assert 0.0 <= got.min() <= got.max() == 1.0


# distance from the bounds in margins, and dm_control's closed form at value_at_margin = 0.1
@pytest.mark.parametrize(
    ("sigmoid", "expected"),
    [
        ("gaussian", 0.1**0.25),
        ("linear", 1 - 0.9 * 0.5),
        ("quadratic", 1 - 0.9 * 0.25),
        ("cosine", (1 + math.cos(math.acos(-0.8) / 2)) / 2),
        ("hyperbolic", 1 / math.cosh(math.acosh(10) / 2)),
        ("long_tail", 1 / (1 + 9 / 4)),
        ("reciprocal", 1 / (1 + 9 / 2)),
        ("tanh_squared", 1 - math.tanh(math.atanh(math.sqrt(0.9)) / 2) ** 2),
    ],
)
def test_tolerance_halfway_to_the_margin(sigmoid: Sigmoid, expected: float) -> None:
    got = tolerance(torch.tensor([3.0]), (0.0, 1.0), 4.0, sigmoid)
    assert got.item() == pytest.approx(expected, rel=1e-6)


def test_tolerance_without_margin_is_a_step() -> None:
    assert tolerance(torch.tensor([-0.1, 0.0, 1.0, 1.1]), (0.0, 1.0)).tolist() == [0, 1, 1, 0]


def test_tolerance_has_no_upper_bound_if_it_is_infinite() -> None:
    got = tolerance(torch.tensor([5.0, 1.0]), (2.0, math.inf), margin=1.0, sigmoid="linear")
    assert got.tolist() == pytest.approx([1.0, 0.1])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"bounds": (1.0, 0.0)}, "above the upper"),
        ({"margin": -1.0}, "negative"),
        ({"margin": 1.0, "value_at_margin": 1.0}, "value_at_margin"),
        ({"margin": 1.0, "value_at_margin": 0.0}, "value_at_margin"),
        ({"margin": 1.0, "sigmoid": "gauss"}, "gaussian, linear"),
    ],
)
def test_tolerance_refuses_contradictions(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        tolerance(torch.zeros(2), **arguments)  # type: ignore[arg-type]


def test_norms_reduce_the_last_dimension() -> None:
    x = torch.tensor([[3.0, -4.0], [0.0, 0.0]])
    assert vocabulary.norm_l2(x).tolist() == [5.0, 0.0]
    assert vocabulary.norm_l1(x).tolist() == [7.0, 0.0]
    assert torch.allclose(vocabulary.unit(x), torch.tensor([[0.6, -0.8], [0.0, 0.0]]))


@given(angle=st.floats(-3.1, 3.1))
def test_a_turn_about_z_is_a_yaw(angle: float) -> None:
    q = turn(angle, 2)
    assert vocabulary.quat_yaw(q).item() == pytest.approx(angle, abs=1e-5)
    rotated = vocabulary.quat_apply(q, torch.tensor([1.0, 0.0, 0.0]))
    assert rotated.tolist() == pytest.approx([math.cos(angle), math.sin(angle), 0.0], abs=1e-6)
    assert vocabulary.quat_up(q).tolist() == pytest.approx([0.0, 0.0, 1.0], abs=1e-6)


@given(seed=st.integers(0, 1000))
def test_quaternions_rotate_back_and_compose(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    p, q = vocabulary.unit(torch.randn(2, 7, 4, generator=generator, dtype=torch.float64))
    v = torch.randn(7, 3, generator=generator, dtype=torch.float64)
    apply = vocabulary.quat_apply
    assert torch.allclose(vocabulary.quat_rotate_inverse(q, apply(q, v)), v)
    assert torch.allclose(apply(vocabulary.quat_multiply(p, q), v), apply(p, apply(q, v)))
    assert torch.allclose(vocabulary.quat_up(q), apply(q, Z.double()))
    assert torch.allclose(apply(q, v).norm(dim=-1), v.norm(dim=-1))


def test_smooth_transforms() -> None:
    x = torch.tensor([0.0, 1.0, -7.0])
    assert torch.allclose(
        vocabulary.wrap_angle(x + 2 * math.pi), vocabulary.wrap_angle(x), atol=1e-6
    )
    assert vocabulary.bounded(x, 2.0).tolist() == pytest.approx(
        [0, math.tanh(0.5), -math.tanh(3.5)]
    )
    assert vocabulary.exp_kernel(x, 1.0).tolist()[:2] == pytest.approx([1.0, math.exp(-1)])
    assert vocabulary.huber(x).tolist() == [0.0, 0.5, 6.5]


def test_every_word_is_documented_and_the_file_stays_small() -> None:
    assert {"tolerance", "norm_l2", "quat_up", "wrap_angle"} <= VOCABULARY.keys()
    assert all(function.__doc__ for function in VOCABULARY.values())
    assert len(Path(vocabulary.__file__).read_text().splitlines()) < 150
