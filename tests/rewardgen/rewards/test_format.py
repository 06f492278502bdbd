from __future__ import annotations

import os
import sys
import tracemalloc
from pathlib import Path

import pytest

from rewardgen.rewards.findings import MAX_TEXT
from rewardgen.rewards.format import (
    MAX_FILE_BYTES,
    MAX_SOURCE_BYTES,
    ParseError,
    bounded,
    parse_reward,
    read_reward,
    read_source,
    reply_code,
)
from rewardgen_envs.errors import UsageError

GOOD = """\
def compute_reward(state, action, next_state):
    speed = scaled(next_state.forward_velocity)
    return speed, {"speed": speed}


def scaled(x):
    return 2.0 * x
"""


def refusal(text: str) -> ParseError:
    with pytest.raises(ParseError) as caught:
        parse_reward(text)
    assert caught.value.finding.stage == "parse"
    assert caught.value.finding.remedy
    return caught.value


def test_a_file_is_taken_whole_with_helpers_above_and_below() -> None:
    above = "import torch\n\nSCALE = 2.0\n\n\ndef half(x):\n    return x / SCALE\n\n\n"
    assert parse_reward(above + GOOD).source == above + GOOD


def test_a_reply_with_one_block_gives_the_block() -> None:
    reply = f"Here is my idea:\n\n```python\n{GOOD}```\nIt rewards speed."
    assert parse_reward(reply).source == GOOD
    assert parse_reward(reply.replace("```python", "```")).source == GOOD
    assert parse_reward(reply) == parse_reward(GOOD)


def test_a_block_within_a_list_loses_the_indentation_of_its_fence() -> None:
    code = "def compute_reward(state, action, next_state):\n    return state.x, {}\n"
    block = "".join(f"   {line}\n" for line in ["```python", *code.splitlines(), "```"])
    assert parse_reward(f"1. Pay for x:\n\n{block}").source == code


def test_a_fence_in_a_docstring_does_not_make_a_file_a_reply() -> None:
    text = f'"""Notes.\n\n```\nx\n```\n"""\n{GOOD}'
    assert parse_reward(text).source == text


def test_equal_code_has_an_equal_hash_whatever_the_line_ends() -> None:
    code = parse_reward(GOOD)
    assert parse_reward("\ufeff\n\n" + GOOD.replace("\n", "  \r\n") + "\n\n").sha256 == code.sha256
    assert parse_reward(GOOD.replace("2.0", "3.0")).sha256 != code.sha256
    assert len(code.sha256) == 64


@pytest.mark.parametrize(
    ("text", "rule", "line", "words"),
    [
        ("I would reward forward speed.", "no-code", None, "no code block"),
        ("", "empty", None, "no code"),
        (f"```python\n{GOOD}```\nor\n```python\n{GOOD}```\n", "several-blocks", None, "2 code"),
        (f"Sure!\n```python\n{GOOD}", "unclosed-block", 2, "not closed"),
        ("```\n```", "empty", None, "no code"),
        (GOOD.replace("= scaled(", "= = scaled("), "syntax", 2, "invalid syntax"),
        (f"```python\n{GOOD.replace('):', ')')}```", "syntax", 1, "expected ':'"),
        ("x = 1\n", "no-function", None, "compute_reward"),
        ("def reward(a, b, c):\n    return a, {}\n", "no-function", None, "it defines reward"),
        ("class A:\n    def compute_reward(a, b, c): ...\n", "no-function", None, "compute_reward"),
        (GOOD + "\n\n" + GOOD, "several-functions", 10, "2 times"),
        ("def compute_reward(state, action): ...\n", "signature", 1, "(state, action)"),
        ("\ndef compute_reward(a, b, c, d): ...\n", "signature", 2, "(a, b, c, d)"),
        ("def compute_reward(*args): ...\n", "signature", 1, "*args"),
        ("def compute_reward(a, b, c, *, d): ...\n", "signature", 1, "d"),
        ("def compute_reward(a, b, c):\n    x = '\0'\n", "syntax", 2, "remove the NUL characters"),
        (
            f"```\n{GOOD}```\n" * 50_000,
            "several-blocks",
            None,
            "50000 code blocks (lines 1, 10, 19 and 49,997 more)",
        ),
        (f"def {'a' * 9000}(): ...\n", "no-function", None, "it defines aaa"),
        (
            f"def compute_reward({', '.join(f'a{i}' for i in range(3000))}): ...\n",
            "signature",
            1,
            "(a0, a1, a2, a3, a4, a5 and 2,994 more)",
        ),
        (f"def compute_reward({'a' * 9000}): ...\n", "signature", 1, "…"),
    ],
)
def test_what_is_no_reward_is_refused_by_name(
    text: str, rule: str, line: int | None, words: str
) -> None:
    error = refusal(text)
    assert (error.finding.rule, error.finding.line) == (rule, line)
    assert words in str(error)
    assert max(len(error.finding.message), len(error.finding.remedy)) <= MAX_TEXT


def test_what_a_file_does_as_a_script_is_no_part_of_the_reward() -> None:
    script = 'if __name__ == "__main__":\n    import os\n\n    os.system("true")\n'
    assert parse_reward(GOOD + script).source == GOOD
    above = parse_reward(script + GOOD).source
    assert above == "\n" * 4 + GOOD
    assert parse_reward(script + GOOD).sha256 == parse_reward(GOOD).sha256
    one_line = GOOD + "if __name__ == '__main__': print(1); print(2)\n"
    assert parse_reward(one_line).source == GOOD


@pytest.mark.parametrize(
    "text",
    [
        'if __name__ == "__main__":\n    x = 1\nelse:\n    y = 2\n',
        'if __name__ != "__main__":\n    x = 1\n',
        'if x == "__main__":\n    x = 1\n',
    ],
)
def test_what_runs_here_is_kept(text: str) -> None:
    assert parse_reward(GOOD + text).source == GOOD + text


def test_what_the_text_is_without_its_script_must_be_python_too() -> None:
    for text in (
        GOOD + '\\\nif __name__ == "__main__":\n    x = 1\n',
        'if __name__ == "__main__":\n    def compute_reward(a, b, c): ...\n',
    ):
        with pytest.raises(ParseError):
            parse_reward(text)


def test_defaults_beyond_the_three_arguments_are_part_of_the_format() -> None:
    parse_reward("def compute_reward(s, a, n, scale=2.0, *, t=0.1):\n    return s, {}\n")


BOMBS = {
    "brackets": ("x = " + "(" * 70 + "1" + ")" * 70 + "\n", "too-deep"),
    "long": ("# " + "x" * 20_001, "too-long"),
    "minus": ("x = " + "-" * 19_000 + "1\n", "too-deep"),
    "not": ("x = " + "not " * 4_900 + "1\n", "too-deep"),
    "attributes": ("x = a" + ".a" * 9_000 + "\n", "too-deep"),
    "sum": ("x = 1" + "+1" * 9_000 + "\n", "too-deep"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_parser_bombs_are_refused_in_order(name: str) -> None:
    text, rule = BOMBS[name]
    assert refusal(GOOD + text).finding.rule == rule


def test_files_are_read_and_refused_by_path(tmp_path: Path) -> None:
    path = tmp_path / "reward.py"
    path.write_text(GOOD)
    assert read_reward(path).source == GOOD
    path.write_bytes(b"\xff\xfe\x00bad")
    with pytest.raises(ParseError, match="UTF-8"):
        read_reward(path)
    with pytest.raises(UsageError, match="is a folder"):
        read_reward(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pipes with names")
def test_what_has_no_end_is_not_read(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/zero")):
        with pytest.raises(UsageError, match="not a regular file: save"):
            read_source(path)


def test_of_a_huge_file_no_more_than_the_limit_is_read(tmp_path: Path) -> None:
    path = tmp_path / "reward.py"
    with path.open("wb") as file:
        file.truncate(300_000_000)  # takes no room on a disk
    tracemalloc.start()
    try:
        with pytest.raises(ParseError, match="more than 1,048,576 bytes") as caught:
            read_source(path)
        assert tracemalloc.get_traced_memory()[1] < 4 * MAX_FILE_BYTES
    finally:
        tracemalloc.stop()
    assert caught.value.finding.rule == "too-long"


def test_half_a_character_is_refused_with_its_line() -> None:
    finding = refusal(GOOD + "# \ud800\n").finding
    assert (finding.rule, finding.line) == ("encoding", GOOD.count("\n") + 1)
    assert "U+D800" in finding.message


def test_of_a_long_reply_the_parser_gets_the_block_alone() -> None:
    thoughts = "Let me think. " * MAX_SOURCE_BYTES
    assert bounded(f"{thoughts}\n```python\n{GOOD}```\n") == GOOD
    assert bounded(GOOD) == GOOD
    for text in (thoughts, f"{thoughts}\n```python\n{thoughts}\n```"):
        with pytest.raises(ParseError, match="too-long"):
            bounded(text)


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (f"Pay for speed:\n```python\n{GOOD}```\nDone.", GOOD),
        (GOOD, GOOD),
        ("I cannot do that.", "I cannot do that."),
        (f'"""Notes.\n\n```\nx\n```\n"""\n{GOOD}', f'"""Notes.\n\n```\nx\n```\n"""\n{GOOD}'),
        (f"```\n{GOOD}```\n```\n{GOOD}```\n", f"```\n{GOOD}```\n```\n{GOOD}```\n"),
        ("```python\ndef compute_reward(", "```python\ndef compute_reward(\n"),
    ],
)
def test_the_code_of_a_reply_is_told_without_a_parser(reply: str, code: str) -> None:
    assert reply_code(reply) == code
