"""The benchmark of the critic: planted mistakes are what they are called, figures add up."""

from __future__ import annotations

import ast

import pytest
import torch

from benchmarks.critic import DEVELOPMENT, SIDES, combine, part, share
from benchmarks.reward_anatomy import Known, known
from benchmarks.reward_mutants import KINDS, Mutant, controls, mutants
from benchmarks.tables import TABLES
from rewardgen.rewards.code import Output
from rewardgen.rewards.format import parse_reward
from rewardgen.rewards.inline import InlineReward
from rewardgen_envs.registry import load_task, task_names
from rewardgen_envs.task import BoxAction
from tests.rewardgen.check.toys import ACTIONS, TABLE, rows_of

SOURCE = """\
def compute_reward(state, action, next_state):
    velocity = next_state.forward_velocity
    speed = 2.0 * velocity
    up = tolerance(next_state.pitch, (-0.1, 0.1), 0.5)
    effort = 0.1 * (action**2).sum(dim=1)
    reward = speed + up - effort
    return reward, {"speed": speed, "up": up, "effort": -effort}
"""


TOY = Known("toy/toy", TABLE, BoxAction(ACTIONS), ("fallen",))


def planted(kind: str, source: str = SOURCE) -> dict[str, Mutant]:
    """Return the last mutant of each variant of a kind."""
    made = mutants(source, TOY, 0)
    return {m.variant: m for m in made if m.kind == kind}


def answers(source: str) -> Output:
    """Return what a reward says of some states."""
    return InlineReward(parse_reward(source), TABLE).evaluate(rows_of(3, 50).transitions)


def test_every_mistake_is_what_it_is_called() -> None:
    human = answers(SOURCE)
    terms = human.terms

    def total(kind: str, variant: str) -> torch.Tensor:
        return answers(planted(kind)[variant].source).reward

    def close(left: torch.Tensor, right: torch.Tensor) -> None:
        torch.testing.assert_close(left, right)

    close(total("negated total", "total"), -human.reward)
    negated = answers(planted("negated total")["total and terms"].source)
    close(negated.terms["speed"], -terms["speed"])
    close(total("constant total", "one"), torch.ones(50))
    close(total("constant total", "zero"), torch.zeros(50))
    close(total("pay for effort", "sign of a cost"), human.reward - 2.0 * terms["effort"])
    close(total("alive bonus", "constant"), human.reward + 100.0)
    close(total("alive bonus", "added"), human.reward + 10.0)  # nothing has ended
    close(total("penalty x 100", "a cost"), human.reward + 99.0 * terms["effort"])
    alone = answers(planted("penalty x 100")["in the total alone"].source)
    close(alone.reward, human.reward + 99.0 * terms["effort"])
    close(alone.terms["effort"], terms["effort"])
    close(total("not added", "not reported"), human.reward - terms["effort"])
    assert planted("small penalty x 100") == {}
    small = SOURCE.replace("0.1 * (action", "0.001 * (action")
    assert planted("penalty x 100", small) == {}
    assert set(planted("small penalty x 100", small)) == {"a cost", "in the total alone"}


def test_units_and_axes_are_confused_in_the_text() -> None:
    degrees = {name: m.source for name, m in planted("degrees").items()}
    assert "torch.rad2deg(next_state.pitch)" in degrees["rad2deg"]
    assert "(-5.73, 5.73), 28.6" in degrees["numbers"]
    assert "next_state.sideways_velocity" in planted("wrong axis")["feature"].source


def test_controls_are_no_mistakes() -> None:
    human = answers(SOURCE)
    made = controls(SOURCE, TOY, 0)
    found = {m.variant: answers(m.source) for m in made}
    torch.testing.assert_close(found["rescaled"].reward, 0.1 * human.reward)
    torch.testing.assert_close(found["renamed"].reward, human.reward)
    ratio = found["reweighted"].terms["up"] / human.terms["up"]
    assert 0.7 <= float(ratio[0]) <= 1.4 and float(ratio.std()) < 1e-5


def test_shares_have_wilson_intervals() -> None:
    # 9 of 10: centre (9 + 1.92) / 13.84, half width 1.96 / 13.84 * sqrt(0.9 + 0.96)
    found = share(9, 10)
    assert found["share"] == 0.9
    assert found["interval"] == pytest.approx([0.596, 0.982], abs=1e-3)
    assert share(0, 0)["share"] is None


def test_sides_are_added_up() -> None:
    empty = {kind: (0, 0) for kind in KINDS}
    first = {"human": (1, 4), "control": (0, 12), **empty, "wrong axis": (3, 4)}
    second = {"human": (0, 4), "control": (3, 12), **empty, "wrong axis": (4, 4)}
    parts = [
        {"side": side, "tasks": 4, "counts": counts, "wrong": ["a/b human rule"]}
        for side, counts in zip(SIDES, (first, second), strict=True)
    ]
    figures = combine(parts)
    assert figures["development"]["human"]["right"] == 3
    assert (figures["all"]["human"]["right"], figures["all"]["human"]["count"]) == (7, 8)
    assert (figures["all"]["all mistakes"]["right"], figures["all"]["wrong axis"]["count"]) == (
        7,
        8,
    )
    text = TABLES["critic"](parts)
    assert "| human rewards, nothing above info | 3 of 4 [30%, 95%] | 4 of 4 [51%, 100%] |" in text
    assert "- a/b human rule" in text


def test_half_of_the_tasks_were_held_out() -> None:
    assert set(task_names()) >= DEVELOPMENT
    assert len(DEVELOPMENT) <= len(task_names()) / 2


def test_one_task_is_judged_rightly() -> None:
    found = part("development", ["cartpole/swing-up"])
    spoken, count = (sum(n) for n in zip(*found["counts"].values(), strict=True))
    assert (found["tasks"], found["wrong"]) == (1, [])
    assert spoken == count - 4  # the human reward and its controls


@pytest.mark.slow
@pytest.mark.parametrize("name", task_names())
def test_every_human_reward_can_be_planted_with_mistakes(name: str) -> None:
    task = load_task(name)
    assert task.human_reward is not None
    source = task.human_reward.read_text(encoding="utf-8")
    made = mutants(source, known(task), 0)
    assert {"negated total", "constant total", "alive bonus"} <= {m.kind for m in made}
    plain = ast.unparse(ast.parse(source))
    for mutant in made:
        assert ast.unparse(ast.parse(mutant.source)) != plain
        parse_reward(mutant.source)
