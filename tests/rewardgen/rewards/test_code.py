from __future__ import annotations

import pytest
import torch

from rewardgen.rewards.code import EvaluationError, Output, compile_reward, evaluate
from rewardgen.rewards.format import parse_reward
from rewardgen_envs.features import FeatureTable

B = 6


def run(body: str, table: FeatureTable, extra: str = "") -> Output:
    lines = "\n".join("    " + line for line in body.split("\n"))
    code = parse_reward(f"def compute_reward(state, action, next_state):\n{lines}\n{extra}")
    generator = torch.Generator().manual_seed(0)
    public = table.public()
    state, next_state = torch.randn(2, B, public.width, generator=generator)
    return evaluate(compile_reward(code), public, state, torch.ones(B, 8), next_state)


def test_reward_and_terms_come_back_by_name(robot_table: FeatureTable) -> None:
    output = run(
        "speed = next_state.forward_velocity - state.forward_velocity\n"
        "effort = weight * (action ** 2).sum(dim=-1)\n"
        "return speed - effort, {'speed': speed, 'effort': effort}",
        robot_table,
        "weight = 0.5",
    )
    assert torch.equal(output.terms["effort"], torch.full((B,), 4.0))
    assert torch.equal(output.reward, output.terms["speed"] - 4.0)


def test_torch_math_and_the_vocabulary_are_in_scope(robot_table: FeatureTable) -> None:
    output = run(
        "up = tolerance(next_state.torso_up, bounds=(0.9, math.inf), margin=1.0)\n"
        "return torch.exp(up), {'up': up}",
        robot_table,
    )
    assert output.reward.shape == (B,)


def test_annotations_are_not_evaluated_and_script_decorators_are_dropped(
    robot_table: FeatureTable,
) -> None:
    run(
        "x: Missing = twice(next_state.height)\nreturn x, {}",
        robot_table,
        "@torch.jit.script\ndef twice(x: AlsoMissing) -> Tuple[Nothing]:\n    return 2 * x",
    )


RETURN = "x = next_state.height\nreturn "


@pytest.mark.parametrize(
    ("body", "rule", "words"),
    [
        (RETURN + "x", "return-value", "a tensor of shape (6,), not a pair"),
        (RETURN + "x, x, {}", "return-value", "a tuple of 3"),
        ("pass", "return-value", "returned None"),
        (RETURN + "x, [x]", "return-value", "a list, not a dict"),
        (RETURN + "1.0, {}", "not-a-tensor", "the reward is the float 1.0"),
        (RETURN + "x, {'alive': 0.5}", "not-a-tensor", "term 'alive' is the float 0.5"),
        (RETURN + "x, {'a': torch.nn.Parameter(x)}", "not-a-tensor", "a tensor of shape"),
        (RETURN + "x.mean(), {}", "shape", "the reward has shape (), not (B,)"),
        (RETURN + "x, {'a': x[:, None]}", "shape", "squeeze(-1)"),
        (RETURN + "x, {'a': next_state.joint_angles}", "shape", "shape (6, 8)"),
        (RETURN + "x[:3], {}", "shape", "one number per transition"),
        (RETURN + "x.double(), {}", "dtype", "float64, not float32"),
        (RETURN + "x, {'a': x > 0}", "dtype", "bool"),
        (RETURN + "x, {'a': x.to_sparse()}", "layout", "dense"),
        (RETURN + "x, {'a b': x}", "term-name", "'a b'"),
        (RETURN + "x, {'a' * 41: x}", "term-name", "40 characters"),
        (RETURN + "x, {1: x}", "term-name", "'1'"),
        (RETURN + "x, {f't{i}': x for i in range(33)}", "term-count", "33 terms"),
    ],
)
def test_an_answer_outside_the_contract_is_refused(
    body: str, rule: str, words: str, robot_table: FeatureTable
) -> None:
    with pytest.raises(EvaluationError) as caught:
        run(body, robot_table)
    assert (caught.value.finding.kind, caught.value.finding.rule) == ("contract", rule)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("body", "line", "words"),
    [
        ("x = 1\nreturn next_state.hight, {}", 3, "did you mean 'height'?"),
        ("return next_state.goals_reached, {}", 2, "no feature 'goals_reached'"),
        ("return helper(action), {}", 4, "ZeroDivisionError: division by zero"),
        ("assert False", 2, "AssertionError"),
    ],
)
def test_an_exception_names_its_line(
    body: str, line: int, words: str, robot_table: FeatureTable
) -> None:
    with pytest.raises(EvaluationError, match="exception") as caught:
        run(body, robot_table, "def helper(x):\n    return 1 / 0\n")
    assert (caught.value.finding.kind, caught.value.finding.line) == ("runtime", line)
    assert words in str(caught.value)


SILENT = """\
class Silent(ValueError):
    __traceback__ = property(lambda self: 1 / 0)

    def __str__(self):
        raise SystemExit(1)
"""
NAMELESS = """\
class Meta(type):
    __name__ = property(lambda self: 1 / 0)


class Nameless(Exception, metaclass=Meta):
    pass
"""


@pytest.mark.parametrize(
    ("raised", "extra", "message"),
    [
        ("ValueError('a\\ud800b')", "", "ValueError: a?b"),
        ("Silent()", SILENT, "Silent: (its text cannot be read)"),
        ("Nameless('x')", NAMELESS, "Nameless: x"),
    ],
)
def test_an_exception_that_hides_is_named_all_the_same(
    raised: str, extra: str, message: str, robot_table: FeatureTable
) -> None:
    with pytest.raises(EvaluationError) as caught:
        run(f"raise {raised}", robot_table, extra)
    assert (caught.value.finding.line, caught.value.finding.message) == (2, message)


@pytest.mark.parametrize("after", ["compute_reward = 1.0", "del compute_reward"])
def test_code_that_takes_its_function_away_is_refused(
    after: str, robot_table: FeatureTable
) -> None:
    with pytest.raises(EvaluationError, match="no function") as caught:
        run("return state.height, {}", robot_table, after)
    assert caught.value.finding.rule == "no-function"


def test_code_that_raises_at_module_level_is_refused(robot_table: FeatureTable) -> None:
    with pytest.raises(EvaluationError, match="NameError") as caught:
        run("return state.height, {}", robot_table, "x = missing")
    assert caught.value.finding.line == 3
