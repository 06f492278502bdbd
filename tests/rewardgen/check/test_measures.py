"""Numbers about rewards, against what can be computed by hand."""

from __future__ import annotations

import math

import pytest
import torch

from rewardgen.check.measures import (
    Split,
    agreement,
    differences,
    effort_gain,
    ending_costs,
    exchanged,
    living_pays,
    penalties,
    slopes,
    split,
    weights,
)
from rewardgen.check.review import quantile, width
from tests.rewardgen.check.toys import TABLE, evidence, review


def test_agreement_is_the_share_of_pairs_in_the_right_order() -> None:
    values = torch.tensor([3.0, 1.0, 2.0, 2.0, 0.0])
    parts = Split(good=torch.tensor([0, 2]), bad=torch.tensor([1, 3, 4]))
    # 3 beats all three; 2 beats 1 and 0 and ties with 2
    assert agreement(values, parts) == pytest.approx((3 + 2.5) / 6)
    assert agreement(-values, parts) == pytest.approx(1 - (3 + 2.5) / 6)
    assert agreement(torch.zeros(5), parts) == 0.5


def test_good_and_bad_states_are_those_of_fitness() -> None:
    known = review("return next_state.forward_velocity, {}")
    parts = split(known)
    assert parts is not None
    fitness = known.rows.fitness
    assert float(fitness[parts.good].min()) > float(fitness[parts.bad].max())
    assert agreement(known.answers.reward, parts) == 1.0
    sideways = review("return next_state.sideways_velocity, {}").answers.reward
    assert agreement(sideways, parts) == pytest.approx(0.5, abs=0.1)


def test_of_two_axes_that_were_confused_the_exchange_agrees() -> None:
    known = review("v = next_state.sideways_velocity\nreturn v, {'v': v}")
    parts = split(known)
    assert parts is not None
    (found,) = exchanged(known, parts)
    assert found.agreement == 1.0
    assert "sideways_velocity" in found.words


@pytest.mark.parametrize(
    ("text", "gain"),
    [
        ("return next_state.pitch - 0.1 * (action**2).sum(1), {}", -1.0),
        ("return next_state.pitch + 1e-3 * (action**2).sum(1), {}", 1.0),
        # a push one way is no effort; nor is a change that is worth nothing
        ("return next_state.pitch + action[:, 0], {}", 0.0),
        ("return next_state.pitch, {}", 0.0),
        # what is paid is a change of the action
        ("return ((action - state.last_action)**2).sum(1), {}", 1.0),
    ],
)
def test_the_gain_of_effort(text: str, gain: float) -> None:
    assert effort_gain(review(text)) == pytest.approx(gain, abs=0.01)


def test_what_ending_costs_and_living_pays() -> None:
    known = review("return 3.0 * (1.0 - next_state.terminated) - 2.0 * next_state.fallen, {}")
    assert ending_costs(known) == pytest.approx(5.0)
    assert living_pays(known) == pytest.approx(3.0)


def test_the_slope_of_an_error() -> None:
    (down,) = slopes(review("return -next_state.goal_distance, {}"))
    (up,) = slopes(review("return 1.0 - torch.exp(-next_state.goal_distance), {}"))
    assert (down.feature, down.rises, up.rises) == ("goal_distance", 0.0, 1.0)
    assert down.gain < -0.3 < 0.3 < up.gain
    (progress,) = slopes(review("return state.goal_distance - next_state.goal_distance, {}"))
    assert progress.rises == 0.0


def test_weights_of_a_sum() -> None:
    known = review(
        "a, b = next_state.pitch, next_state.goal_distance\n"
        "return 2.0 * a - b, {'a': a, 'b': b, 'c': next_state.forward_velocity}"
    )
    assert weights(known) == pytest.approx({"a": 2.0, "b": -1.0, "c": 0.0}, abs=1e-5)


def test_terms_that_combine_have_no_weights_of_their_own() -> None:
    known = review(
        "a, b, c = next_state.pitch, next_state.goal_distance, next_state.forward_velocity\n"
        "return a + b + c, {'a': a, 'b': b, 'both': a + b, 'c': c}"
    )
    assert weights(known) == pytest.approx({"c": 1.0}, abs=1e-5)


def test_a_product_has_no_weights() -> None:
    known = review(
        "a, b = next_state.pitch, next_state.goal_distance\nreturn a * b, {'a': a, 'b': b}"
    )
    assert weights(known) == {}


@pytest.mark.parametrize("reported", ["-cost", "cost", "2.0 * cost", "cost / 50.0"])
def test_penalties_however_they_are_reported(reported: str) -> None:
    known = review(
        "v = next_state.forward_velocity\ncost = 0.5 * (action**2).sum(1)\n"
        f"return v - cost, {{'v': v, 'cost': {reported}}}"
    )
    (penalty,) = penalties(known)
    # two uniform numbers squared: a third each
    assert penalty.term == "cost"
    assert penalty.usual == pytest.approx(1.0 / 3.0, abs=0.05)
    assert penalty.most == pytest.approx(0.5 * 2.0, abs=0.15)
    assert penalty.others == pytest.approx(width(known.answers.terms["v"]), rel=1e-3)


def test_the_end_alone_is_no_penalty() -> None:
    known = review(
        "v = next_state.forward_velocity\nend = -5.0 * next_state.terminated\n"
        "return v + end, {'v': v, 'end': end}"
    )
    assert list(penalties(known)) == []


def test_an_undiscounted_difference_pays_for_lingering() -> None:
    known = review(
        "d = state.goal_distance - next_state.goal_distance\nv = next_state.pitch\n"
        "return 10.0 * d + v, {'d': 10.0 * d, 'v': v}",
        evidence(gamma=0.98),
    )
    (found,) = differences(known)
    distances = known.rows.transitions.next_state[:, TABLE.columns("goal_distance").start]
    assert found.term == "d"
    # as near as it gets, from where random play is at the median
    rise = quantile(distances, 0.5) - quantile(distances, 0.005)
    assert found.potential == pytest.approx(10.0 * rise, rel=0.1)
    assert found.lingers == pytest.approx(0.02 * found.potential)
    assert found.others == pytest.approx(width(known.answers.terms["v"]), rel=1e-3)


@pytest.mark.parametrize(
    "term",
    [
        # discounted, as a potential is
        "0.99 * next_state.goal_distance - state.goal_distance",
        "next_state.goal_distance",
        "(state.goal_distance - next_state.goal_distance).clamp(min=0.0)",
        "(state.goal_distance - next_state.goal_distance) * next_state.pitch",
        "torch.zeros_like(next_state.pitch)",
    ],
)
def test_other_terms_are_no_such_difference(term: str) -> None:
    known = review(f"d = {term}\nreturn d, {{'d': d}}")
    assert list(differences(known)) == []


def test_the_rarest_values_do_not_count_as_width() -> None:
    values = torch.cat([torch.linspace(0.0, 1.0, 1000), torch.tensor([1e6])])
    assert width(values) == pytest.approx(0.99, abs=0.01)
    assert width(torch.zeros(0)) == 0.0
    assert not math.isnan(width(torch.ones(1)))
