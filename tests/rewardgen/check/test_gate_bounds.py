"""However wrong a text of the size allowed is, the gate's work and its words have a bound."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence

import pytest

from rewardgen.check import gate as gate_module
from rewardgen.check import names as names_module
from rewardgen.check import remarks, scopes
from rewardgen.check.gate import gate
from rewardgen.check.limits import MAX_NODES
from rewardgen.check.remarks import MAX_CHOICES, MAX_FINDINGS
from rewardgen.rewards.findings import MAX_TEXT
from rewardgen.rewards.format import MAX_SOURCE_BYTES, parse_reward
from rewardgen_envs.features import FeatureTable

ENTRY = "def compute_reward(state, action, next_state):\n    return state.height, {}\n"


def written(lines: str) -> str:
    """Return a reward with some lines before its end."""
    return ENTRY.replace("return", f"{lines}\n    return")


def alike(count: int, first: int = 0) -> list[str]:
    """Return names of eight characters that resemble each other."""
    digits = "ab_"
    return [
        "a" + "".join(digits[number // 3**place % 3] for place in range(7))
        for number in range(first, first + count)
    ]


UNKNOWN = f"def f({','.join(alike(1290))}):\n    return [{','.join(alike(700, 1290))}]\n{ENTRY}"
BAD = {
    "unknown names": UNKNOWN,
    "imports": "".join(f"import m{i}\n" for i in range(1200)) + ENTRY,
    "names of an import": f"from torch import {', '.join(f'n{i}' for i in range(2000))}\n{ENTRY}",
    "unknown features": written(f"x = [{','.join(f'state.f{i}' for i in range(500))}]"),
    "states as tensors": written("x = [" + "-state,\n" * 500 + "]"),
    "long names": written("\n    ".join("x" * 900 + str(i) for i in range(20))),
    "long attributes": written("\n    ".join("action." + "x" * 900 + str(i) for i in range(20))),
    "functions below": ENTRY + "".join(f"def f{i}(): f{i}\n" for i in range(400)),
    "arguments": written(f"x = dict({', '.join(f'a{i}=b{i}' for i in range(700))})"),
}


@pytest.mark.parametrize("name", BAD)
def test_findings_are_few_and_short(name: str, robot_table: FeatureTable) -> None:
    assert len(BAD[name]) <= MAX_SOURCE_BYTES
    findings = gate(parse_reward(BAD[name]), robot_table)
    assert len(findings) == MAX_FINDINGS + 1
    assert findings[-1].rule == "more"
    assert findings[-1].line is None
    assert findings[-1].message.startswith("and ")
    assert all(len(text) <= MAX_TEXT for f in findings for text in (f.message, f.remedy))


def test_the_first_findings_are_shown_and_the_others_counted(robot_table: FeatureTable) -> None:
    source = "".join(f"import m{i}\n" for i in range(25)) + ENTRY
    *first, last = gate(parse_reward(source), robot_table)
    assert [finding.line for finding in first] == list(range(1, 11))
    assert last.message == "and 15 more findings, the next on line 11"
    assert last.kind == "policy"
    few = "".join(f"import m{i}\n" for i in range(MAX_FINDINGS)) + ENTRY
    assert len(gate(parse_reward(few), robot_table)) == MAX_FINDINGS


def test_names_are_compared_for_shown_findings_only(
    monkeypatch: pytest.MonkeyPatch, robot_table: FeatureTable
) -> None:
    compared: list[int] = []
    matcher = difflib.get_close_matches

    def counted(name: str, choices: Sequence[str], n: int, cutoff: float) -> list[str]:
        compared.append(len(choices))
        return matcher(name, choices, n, cutoff)

    monkeypatch.setattr(remarks.difflib, "get_close_matches", counted)
    for source in BAD.values():
        compared.clear()
        gate(parse_reward(source), robot_table)
        assert len(compared) <= MAX_FINDINGS
        assert max(compared, default=0) <= MAX_CHOICES
    compared.clear()
    gate(parse_reward(UNKNOWN), robot_table)
    assert len(compared) == MAX_FINDINGS


def test_a_hint_names_what_is_near_or_nothing(robot_table: FeatureTable) -> None:
    source = "import os\n" + written(
        "x = [hight, tollerance, qqq, torch.squrt, torch.zzz, torch.load]"
    )
    messages = [finding.message for finding in gate(parse_reward(source), robot_table)]
    assert messages == [
        "import of 'os'",
        "unknown name 'hight'",
        "unknown name 'tollerance'; did you mean 'tolerance'?",
        "unknown name 'qqq'",
        "'torch' has no 'squrt'; did you mean 'sqrt'?",
        "'torch' has no 'zzz'",
        "'torch.load' is not allowed",
    ]


def counting(monkeypatch: pytest.MonkeyPatch, module: object, name: str) -> Callable[[], int]:
    """Count the calls of a function from now on."""
    calls = 0
    function = getattr(module, name)

    def counted(*args: object) -> object:
        nonlocal calls
        calls += 1
        return function(*args)

    monkeypatch.setattr(module, name, counted)
    return lambda: calls


def chain(length: int, *, backwards: bool) -> str:
    """Return a reward whose states go from name to name, perhaps against the order of reading."""
    links = [f"    v{i + 1} = v{i}\n" for i in range(length)]
    ordered = "".join(reversed(links) if backwards else links)
    head, _ = ENTRY.split("\n", 1)
    return f"{head}\n    v0 = state\n{ordered}    return v{length}.height, {{}}\n"


@pytest.mark.parametrize("backwards", [False, True])
def test_states_are_followed_through_long_chains_in_linear_time(
    backwards: bool, monkeypatch: pytest.MonkeyPatch, robot_table: FeatureTable
) -> None:
    length = 400
    looks = counting(monkeypatch, scopes, "is_view")
    monkeypatch.setattr(names_module, "is_view", scopes.is_view)
    source = chain(length, backwards=backwards)
    assert gate(parse_reward(source), robot_table) == []
    assert looks() < 20 * length
    bad = source.replace(".height", ".hight")
    assert [f.rule for f in gate(parse_reward(bad), robot_table)] == ["unknown-feature"]


LARGE = {
    "attributes": written(f"x = [{('action' + '.T' * 50 + ',') * 25}]"),
    "functions": "".join(
        f"def f{i}(x):\n    return f{i - 1}(f{i - 2}(x))\n" if i > 1 else f"def f{i}(x): return x\n"
        for i in range(150)
    ) + ENTRY,
    "comprehensions": written(f"x = [{'[i for i in action],' * 250}]"),
    "keywords": written(f"x = dict({','.join(f'a{i}=1' for i in range(1400))})"),
}  # fmt: skip


@pytest.mark.parametrize("name", LARGE)
def test_rules_look_at_each_part_of_a_large_text_a_few_times(
    name: str, monkeypatch: pytest.MonkeyPatch, robot_table: FeatureTable
) -> None:
    walked = counting(monkeypatch, gate_module, "_state")
    modules = counting(monkeypatch, names_module.NameRules, "_module")
    assert gate(parse_reward(LARGE[name]), robot_table) == []
    assert walked() <= MAX_NODES
    # a long dotted name is gone through from each of its parts
    assert modules() <= 60 * MAX_NODES
