"""What the text of a reward says about its values."""

from __future__ import annotations

import pytest
import torch

from rewardgen.check.reading import Reading, telling
from rewardgen.rewards.format import parse_reward
from rewardgen.rewards.inline import InlineReward
from tests.rewardgen.check.toys import TABLE, rows_of, source


def reading(text: str) -> Reading:
    return Reading(parse_reward(source(text.split("\n"))))


@pytest.mark.parametrize(
    ("text", "lost", "unused"),
    [
        ("a = next_state.pitch\nreturn a, {'a': a}", [], []),
        ("a = next_state.pitch\nb = action.sum(1)\nreturn a, {'a': a, 'b': -b}", ["b"], []),
        ("a = next_state.pitch\nb = action.sum(1)\nreturn a, {'a': a}", [], ["b"]),
        # whatever way a value takes, it reaches the total
        ("a = next_state.pitch\nr = a * 0\nr += a\nreturn r, {'a': a}", [], []),
        ("a = next_state.pitch\nt = {'a': a}\nreturn sum(t.values()), t", [], []),
        ("t = {}\nt['a'] = next_state.pitch\nr = t['a']\nreturn r, t", [], []),
        ("a = next_state.pitch\np = [a]\np.append(a)\nreturn sum(p), {'a': a}", [], []),
        ("a = next_state.pitch\nr = a.clone()\nr.add_(a)\nreturn r, {'a': a}", [], []),
        ("a, b = next_state.pitch, action.sum(1)\nreturn a + b, {'a': a, 'b': b}", [], []),
        ("a = next_state.pitch\nb = a > 0\nif b.any():\n    a = -a\nreturn a, {'b': b.float()}",
         [], []),
        # reported without a name of its own: nobody can tell that it is lost
        ("a = next_state.pitch\nreturn a, {'raw': action.sum(1)}", [], []),
        ("_, a = 1, next_state.pitch\n_b = 2\nreturn a, {'a': a}", [], []),
    ],
)  # fmt: skip
def test_values_that_do_not_reach_the_total(text: str, lost: list[str], unused: list[str]) -> None:
    read = reading(text)
    assert (list(read.lost), list(read.unused)) == (lost, unused)


def test_lines_are_those_of_the_assignments() -> None:
    read = reading("a = next_state.pitch\nb = action.sum(1)\nc = 1\nreturn a, {'a': a, 'b': b}")
    assert (read.terms["b"].line, read.lost["b"].line, read.unused["c"]) == (3, 3, 4)


def test_features_are_followed_through_names() -> None:
    read = reading(
        "h = state.hand - next_state.hand\nn = h.norm(dim=1)\nu = next_state.pitch\n"
        "return n, {'n': n, 'u': u}"
    )
    assert read.features(*read.totals) == {"hand"}
    assert read.features(read.terms["u"].value) == {"pitch"}


def test_a_reward_can_tell_what_its_names_stand_for() -> None:
    code = parse_reward(
        source(["raised = next_state.hand[:, 2] > 0", "v = next_state.hand", "k = 3.0",
                "r = raised * k", "return r, {'r': r}"])
    )  # fmt: skip
    told = telling(code, 32)
    assert told is not None
    rows = rows_of(1).transitions
    output = InlineReward(told, TABLE).evaluate(rows)
    height = rows.next_state[:, TABLE.columns("hand")][:, 2]
    # a vector and a number are no values of a state
    assert set(output.terms) == {"raised", "r"}
    assert torch.equal(output.terms["raised"], (height > 0).float())
    assert torch.equal(output.reward, InlineReward(code, TABLE).evaluate(rows).reward)


def test_a_reward_of_several_returns_tells_nothing() -> None:
    code = parse_reward(source(["if action.sum() > 0:", "    return action.sum(1), {}",
                                "return -action.sum(1), {}"]))  # fmt: skip
    assert telling(code, 32) is None
