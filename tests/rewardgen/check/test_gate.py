from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from rewardgen.check.gate import gate
from rewardgen.check.limits import MAX_DEPTH, MAX_NODES
from rewardgen.rewards.code import compile_reward, evaluate
from rewardgen.rewards.findings import Finding
from rewardgen.rewards.format import parse_reward
from rewardgen_envs.features import FeatureTable

HERE = Path(__file__).parent
SECTION = re.compile(r"^## (.+?)\n```python\n(.*?)^```$", re.M | re.S)
HEAD = "def compute_reward(state, action, next_state):\n"


def sections(file: str) -> list[tuple[str, str]]:
    return SECTION.findall((HERE / file).read_text())


LEGAL = dict(sections("legal.md"))


def judged(source: str, table: FeatureTable | None) -> list[Finding]:
    return gate(parse_reward(source), table)


def test_the_corpus_is_large_and_named() -> None:
    assert len(LEGAL) == len(sections("legal.md")) >= 60


@pytest.mark.parametrize("name", LEGAL)
def test_legal_rewards_pass_and_run(name: str, robot_table: FeatureTable) -> None:
    assert judged(LEGAL[name], robot_table) == []
    assert judged(LEGAL[name], None) == []
    public = robot_table.public()
    state, next_state = torch.rand(2, 6, public.width)
    output = evaluate(
        compile_reward(parse_reward(LEGAL[name])), public, state, torch.rand(6, 8), next_state
    )
    assert output.reward.shape == (6,)


@pytest.mark.parametrize(("heading", "source"), sections("illegal.md"))
def test_illegal_rewards_are_refused_by_rule_and_line(
    heading: str, source: str, robot_table: FeatureTable
) -> None:
    kind, rule, line = heading.split()
    findings = judged(source, robot_table)
    assert findings
    first = findings[0]
    assert (first.stage, first.kind, first.rule, first.line) == ("gate", kind, rule, int(line))
    assert first.severity == "error"
    assert first.message
    assert first.remedy


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("return next_state.forward_velocty, {}", "did you mean 'forward_velocity'?"),
        ("return next_state.hight, {}", "Valid: contact_forces, episode_time_s, foot_contact"),
        ("return torch.sqroot(state.height), {}", "'torch' has no 'sqroot'"),
        ("return torch.squrt(state.height), {}", "did you mean 'sqrt'?"),
        ("return tollerance(state.height), {}", "did you mean 'tolerance'?"),
    ],
)
def test_unknown_names_come_with_the_nearest(
    line: str, words: str, robot_table: FeatureTable
) -> None:
    assert words in judged(HEAD + "    " + line, robot_table)[0].message


def test_private_features_are_never_listed(robot_table: FeatureTable) -> None:
    (finding,) = judged(HEAD + "    return next_state.goals_reachd, {}", robot_table)
    assert "goals_reached" not in finding.message + finding.remedy


def test_every_finding_of_a_bad_reward_is_reported_in_order(robot_table: FeatureTable) -> None:
    source = "import os\n" + HEAD + "    print(state.hight)\n    return torch.rand(3)\n"
    found = [(f.line, f.rule) for f in judged(source, robot_table)]
    assert found == [
        (1, "import"),
        (3, "builtin"),
        (3, "unknown-feature"),
        (4, "randomness"),
    ]


def test_features_are_not_checked_without_a_task() -> None:
    source = HEAD + "    f = lambda s: s.anything\n    return f(state) + state.whatever, {}\n"
    assert judged(source, None) == []


def test_a_reward_may_not_be_too_large_or_too_deep(robot_table: FeatureTable) -> None:
    many = HEAD + "    x = [" + "0," * MAX_NODES + "]\n    return state.height, {}\n"
    assert [f.rule for f in judged(many, robot_table)] == ["too-large"]
    deep = HEAD + "    x = 0" + " + 1" * MAX_DEPTH + "\n    return state.height, {}\n"
    assert [f.rule for f in judged(deep, robot_table)] == ["too-deep"]
    bomb = HEAD + "    x = " + "lambda: " * 2_000 + "0\n    return state.height, {}\n"
    assert [f.rule for f in judged(bomb, robot_table)] == ["too-deep"]


def test_published_form_draws_contract_findings_only(robot_table: FeatureTable) -> None:
    source = """
@torch.jit.script
def compute_reward(state, action, next_state) -> Tuple[torch.Tensor, Dict[str, torch.Tensor]]:
    velocity_temp: float = 0.1
    reward = torch.exp(torch.norm(next_state.root_states[:, 7:10], dim=-1) / velocity_temp)
    return reward, {"reward": reward}
"""
    assert {f.kind for f in judged(source, robot_table)} == {"contract"}


@pytest.mark.parametrize(
    "comment",
    ["⚠️ the torso may tip", "1️⃣ speed", "👩‍🔬 café, Größe, θ → 0", "👍🏽 naïve"],
)
def test_pictures_and_letters_in_comments_are_fine(comment: str, robot_table: FeatureTable) -> None:
    source = f"{HEAD}    # {comment}\n    return state.height, {{}}\n"
    assert judged(source, robot_table) == []


@pytest.mark.parametrize("code", [0x202E, 0x200B, 0xAD, 0x3164, 0xE0041, 0xE0101, 0xFE0F, 0x2028])
def test_what_no_editor_shows_is_refused(code: int, robot_table: FeatureTable) -> None:
    source = f"{HEAD}    # a{chr(code)}b\n    return state.height, {{}}\n"
    (finding,) = judged(source, robot_table)
    assert (finding.rule, finding.line) == ("hidden-character", 2)
    assert f"U+{code:04X}" in finding.message


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("x = 2 ** 3 ** 4", "huge-number"),
        ("x = (1 << 60) ** 60 ** 2", "huge-number"),
        ("x = 0x" + "f" * 17, "huge-number"),
        ("x = 9007199254740993", None),
        ("x = state.height ** 2 ** 2", None),
    ],
)
def test_numbers_without_end_are_refused(
    line: str, rule: str | None, robot_table: FeatureTable
) -> None:
    found = judged(f"{HEAD}    {line}\n    return state.height, {{}}\n", robot_table)
    assert [f.rule for f in found] == ([] if rule is None else [rule])


def test_a_function_may_not_be_replaced(robot_table: FeatureTable) -> None:
    source = f"{HEAD}    return state.height, {{}}\n\n\ncompute_reward, x = 1.0, 2.0\n"
    assert "repeated-function" in [f.rule for f in judged(source, robot_table)]
