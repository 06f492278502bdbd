"""What each formula pays, by hand and by its theory."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from rewardgen.rewards.wrappers import formulas
from rewardgen.rewards.wrappers.catalogue import Gate, Krc, Level, Par, Uwo, Wco, WeightedSum
from rewardgen.rewards.wrappers.rowwise import composition
from rewardgen_policies.gae import advantages

REWARD = torch.zeros(1)


def terms(*values: float) -> dict[str, Tensor]:
    return {name: torch.tensor([value]) for name, value in zip("abcdef", values, strict=False)}


@pytest.mark.parametrize(
    ("values", "paid"),
    [
        ((0.25, 1.0), 0.5),
        ((-0.25, 1.0), -0.5),
        ((-0.25, -1.0), -0.5),
        ((0.0, 1.0), 0.0),
        ((0.0, -1.0), 0.0),
        ((0.5,), 0.5),
        ((0.125, 1.0, 1.0), 0.5),
    ],
)
def test_krc_by_hand(values: tuple[float, ...], paid: float) -> None:
    assert composition(Krc())(REWARD, terms(*values))[0].item() == pytest.approx(paid)


def test_krc_of_many_small_terms_is_not_lost_to_rounding() -> None:
    small = {f"t{i}": torch.tensor([1e-4]) for i in range(32)}  # their product is 1e-128
    assert composition(Krc())(REWARD, small)[0].item() == pytest.approx(1e-4, rel=1e-5)


def test_par_is_bounded_half_at_the_reference_and_a_quarter_steep() -> None:
    slope = 3.0
    reward = torch.tensor([-1e30, -2.0, 0.7, 4.0, 1e30])
    paid = composition(Par(references=(0.7,), slope=slope))(reward, {})[0]
    assert bool(((paid >= 0.0) & (paid <= 1.0)).all()) and bool((paid.diff() >= 0.0).all())
    assert bool(((paid[1:4] > 0.0) & (paid[1:4] < 1.0)).all())
    assert paid[2].item() == 0.5
    h = 1e-4
    ends = torch.tensor([0.7 - h, 0.7 + h], dtype=torch.float64)
    low, high = composition(Par(references=(0.7,), slope=slope))(ends, {})[0]
    assert float(high - low) / (2 * h) == pytest.approx(slope / 4.0, rel=1e-6)


def test_par_of_several_references_is_their_mean() -> None:
    reward = torch.tensor([0.3])
    paid = composition(Par(references=(0.0, 1.0)))(reward, {})[0].item()
    assert paid == pytest.approx((1 / (1 + math.exp(-0.3)) + 1 / (1 + math.exp(0.7))) / 2)


def test_weights_scale_what_is_paid_and_what_is_reported() -> None:
    paid, told = composition(WeightedSum(weights={"a": 2.0, "c": 0.5}))(REWARD, terms(1, 9, 4))
    assert paid.item() == 4.0
    assert {name: value.item() for name, value in told.items()} == {"a": 2.0, "c": 2.0}


@pytest.mark.parametrize(
    ("values", "paid"),
    [
        ((0.9, 0.6, 0.1), 1.6),  # all open
        ((0.9, 0.4, 0.1), 1.3),  # the second is paid, but keeps the third shut
        ((0.7, 0.6, 0.1), 0.7),  # the first keeps all others shut, whatever they are
        ((0.8, 0.5, 0.1), 1.4),  # just enough is enough
        ((-3.0, 0.6, 5.0), -3.0),
    ],
)
def test_gate_by_hand(values: tuple[float, ...], paid: float) -> None:
    levels = (Level(term="a", least=0.8), Level(term="b", least=0.5), Level(term="c"))
    got = composition(Gate(levels=levels))(REWARD, terms(*values))[0].item()
    assert got == pytest.approx(paid)


def test_ensembles_by_hand() -> None:
    given = terms(1.0, 2.0, 6.0)  # mean 3, variance (4 + 1 + 9) / 3
    assert composition(Wco())(REWARD, given)[0].item() == 1.0
    assert composition(Uwo(weight=0.0))(REWARD, given)[0].item() == 3.0
    assert composition(Uwo(weight=0.5))(REWARD, given)[0].item() == pytest.approx(3 - 7 / 3)
    assert composition(Uwo(terms=("a", "b"), weight=1.0))(REWARD, given)[0].item() == 1.25


@pytest.mark.parametrize("weight", [0.0, 0.5, 10.0])
def test_an_ensemble_of_equals_is_each_of_them(weight: float) -> None:
    member = torch.randn(50, generator=torch.Generator().manual_seed(1))
    given = {name: member.clone() for name in "abcd"}
    assert torch.equal(composition(Wco())(REWARD, given)[0], member)
    assert torch.allclose(composition(Uwo(weight=weight))(REWARD, given)[0], member, atol=1e-6)


def test_disagreement_never_pays() -> None:
    given = {name: torch.randn(99, generator=torch.Generator().manual_seed(i)) for i, name in
             enumerate("abc")}  # fmt: skip
    mean = composition(Uwo(weight=0.0))(REWARD, given)[0]
    assert bool((composition(Uwo(weight=0.3))(REWARD, given)[0] <= mean).all())
    assert bool((composition(Wco())(REWARD, given)[0] <= mean + 1e-6).all())


# ---- potentials


def test_advantages_stay_what_they_are_if_values_are_shifted_by_the_potential() -> None:
    random = torch.Generator().manual_seed(3)
    shape, gamma = (2, 30, 4), 0.97

    def draw() -> Tensor:
        return torch.randn(shape, generator=random, dtype=torch.float64)

    how = torch.randint(8, shape, generator=random)
    terminated, ended, valid = how == 0, how <= 1, torch.ones(shape, dtype=torch.bool)
    reward, value, potential = draw(), draw(), draw()
    # after an episode's end the true last state, else the next one of the rollout
    last_value, last_potential = draw(), draw()
    following = [torch.cat([x[:, 1:], y[:, -1:]], dim=1) for x, y in
                 ((value, last_value), (potential, last_potential))]  # fmt: skip
    next_value = torch.where(ended, last_value, following[0])
    after = torch.where(ended, last_potential, following[1])
    shaped, _ = formulas.pbrs(reward, {"p": after}, "p", potential, terminated, gamma)
    trace = torch.full((2, 1), 0.9, dtype=torch.float64)

    def gae(paid: Tensor, now: Tensor, then: Tensor) -> Tensor:
        bootstrap = torch.where(terminated, 0.0, then)
        return advantages(paid, now, bootstrap, ended, valid, gamma, trace)

    plain = gae(reward, value, next_value)
    difference = plain - gae(shaped, value - potential, next_value - after)
    assert float(difference.abs().max()) < 1e-13
    assert float((shaped - reward).abs().max()) > 1.0


STATES, ACTIONS, MDP_GAMMA = 8, 3, 0.9
Shape = Callable[[Tensor, Tensor, Tensor], Tensor]


def best_actions(reward: Tensor, transition: Tensor, terminal: Tensor) -> Tensor:
    """Return which actions are best in each state, by value iteration; (S, A)."""
    value = torch.zeros(STATES, dtype=torch.float64)
    q = torch.zeros(STATES, ACTIONS, dtype=torch.float64)
    for _ in range(600):
        future = torch.where(terminal, 0.0, value)
        q = (transition * (reward + MDP_GAMMA * future)).sum(-1)
        value = q.amax(1)
    return (q > q.amax(1, keepdim=True) - 1e-9)[~terminal]


def mdps(count: int) -> list[tuple[Tensor, ...]]:
    found: list[tuple[Tensor, ...]] = []
    for seed in range(count):
        random = torch.Generator().manual_seed(seed)

        def draw(*shape: int, random: torch.Generator = random) -> Tensor:
            return torch.rand(*shape, generator=random, dtype=torch.float64)

        # nearly deterministic, as in a simulator
        transition = (draw(STATES, ACTIONS, STATES) * 12.0).softmax(-1)
        reward = draw(STATES, ACTIONS, STATES) - 0.5
        potential = (draw(STATES) - 0.5) * 10.0
        terminal = torch.arange(STATES) >= STATES - 2
        found.append((transition, reward, potential, terminal))
    return found


def shaped(reward: Tensor, potential: Tensor, zero_at: Tensor, gamma: float) -> Tensor:
    """Return R(s, a, s') with shaping, the potential being 0 in some states when entered."""
    after = potential.expand(STATES, ACTIONS, STATES)
    before = potential[:, None, None].expand_as(after)
    return formulas.pbrs(reward, {"p": after}, "p", before, zero_at.expand_as(after), gamma)[0]


def test_best_policies_of_random_mdps_stay_best_under_a_potential() -> None:
    changed: dict[str, int] = dict.fromkeys(("right", "terminal kept", "not discounted"), 0)
    for transition, reward, potential, terminal in mdps(30):
        plain = best_actions(reward, transition, terminal)
        nowhere = torch.zeros_like(terminal)
        for name, other in (
            ("right", shaped(reward, potential, terminal, MDP_GAMMA)),
            ("terminal kept", shaped(reward, potential, nowhere, MDP_GAMMA)),
            ("not discounted", shaped(reward, potential, terminal, 1.0)),
        ):
            changed[name] += not torch.equal(plain, best_actions(other, transition, terminal))
    assert changed["right"] == 0
    # what is nearly the same changes what is best: so the comparison can fail
    assert changed["terminal kept"] > 5 and changed["not discounted"] > 5


def test_a_difference_without_discount_pays_for_lingering() -> None:
    gamma, potential = 0.99, torch.tensor([0.0, 0.5, *[1.0] * 3000], dtype=torch.float64)
    before, after = potential[:-1], potential[1:]
    never = torch.zeros(len(after), dtype=torch.bool)
    weights = gamma ** torch.arange(len(after), dtype=torch.float64)

    def paid(factor: float) -> float:
        shaping = formulas.pbrs(before * 0.0, {"p": after}, "p", before, never, factor)[0]
        return float((weights * shaping).sum())

    assert paid(gamma) == pytest.approx(0.0, abs=1e-9)
    assert paid(1.0) == pytest.approx(0.995, abs=1e-9)


@pytest.mark.parametrize("function", [formulas.krc, formulas.wco, formulas.uwo])
def test_the_reward_itself_does_not_count_where_terms_do(function: Callable[..., Any]) -> None:
    more = (0.5,) if function is formulas.uwo else ()
    given = terms(0.2, 0.4)
    one, other = (function(torch.tensor([r]), given, (), *more)[0] for r in (0.0, 7.0))
    assert torch.equal(one, other)
