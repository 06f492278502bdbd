"""What a language model answers about a reward, read as findings."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from rewardgen.design.critic import MOST_ISSUES, opinion_findings
from rewardgen.design.letters import Answer
from rewardgen.rewards.findings import MAX_TEXT

SOURCE = "def compute_reward(state, action, next_state):\n    return next_state.up, {}\n"


def findings(text: str) -> list[tuple[str, str, int | None]]:
    """Return rule, severity and line of what an answer comes to."""
    return [(f.rule, f.severity, f.line) for f in opinion_findings(Answer(text, "stop"), SOURCE)]


def opinion(ok: bool, *issues: Mapping[str, object]) -> str:
    return json.dumps({"ok": ok, "issues": issues})


def test_issues_against_a_reward_are_errors_and_others_are_told() -> None:
    issue = {"line": 2, "problem": "pays for\nfalling", "remedy": "a sign"}
    assert findings(opinion(False, issue)) == [("model-review", "error", 2)]
    assert findings(opinion(True, issue)) == [("model-review", "info", 2)]
    assert findings(opinion(True)) == []
    (found,) = opinion_findings(Answer(opinion(False, issue), "stop"), SOURCE)
    assert (found.message, found.remedy) == ("pays for falling", "a sign")


@pytest.mark.parametrize("fence", ["```json\n{}\n```", "```\n{}\n```", "\n {} \n"])
def test_one_fenced_block_is_read(fence: str) -> None:
    text = fence.replace("{}", opinion(False, {"problem": "x"}))
    assert findings(text) == [("model-review", "error", None)]


@pytest.mark.parametrize("line", [None, 0, 3, -1])
def test_a_line_that_is_not_there_is_left_out(line: int | None) -> None:
    assert findings(opinion(False, {"line": line, "problem": "x"}))[0][2] is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "The reward is fine.",
        opinion(False, {"problem": "x"})[:20],
        f"I think: {opinion(True)}",
        f"{opinion(True)} {opinion(True)}",
        opinion(False),  # refuses, and says not why
        '{"ok": "yes", "issues": []}',
        '{"ok": true}',
        '{"ok": true, "issues": [], "score": 3}',
        '{"ok": false, "issues": ["x"]}',
        opinion(False, {"problem": ""}),
        opinion(False, *[{"problem": "x"}] * (MOST_ISSUES + 1)),
        "[]",
        "null",
    ],
)
def test_what_is_no_opinion_refuses_nothing_and_is_told(text: str) -> None:
    assert findings(text) == [("no-review", "info", None)]


def test_no_answer_refuses_nothing_and_is_told() -> None:
    (found,) = opinion_findings(None, SOURCE)
    assert (found.rule, found.severity) == ("no-review", "info")


def test_long_texts_are_cut() -> None:
    (found,) = opinion_findings(Answer(opinion(False, {"problem": "x" * 5000}), "stop"), SOURCE)
    assert len(found.message) <= MAX_TEXT
