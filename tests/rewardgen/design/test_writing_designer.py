"""Designers that ask: what becomes of answers, good and bad."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import pytest

from rewardgen.analysis.feedback import Feedback
from rewardgen.design.correspond import WritingDesigner
from rewardgen.design.designer import (
    ExhaustedError,
    Refused,
    Repairs,
    Tried,
)
from rewardgen.design.letters import Answer, Letter
from rewardgen.llm.errors import ContextLengthError
from rewardgen.llm.messages import Finish
from rewardgen.rewards.findings import Finding
from tests.rewardgen.design.test_evolve_designer import CONTEXT

CODE = """\
def compute_reward(state, action, next_state):
    speed = next_state.forward_velocity
    return speed, {"speed": speed}
"""
REPLY = f"Pay for speed.\n\n```python\n{CODE}```\n"


@dataclass
class Scripted:
    """Answers letters by a function of the letter's number in all."""

    script: Callable[[int], Answer | None]
    letters: list[Letter] = field(default_factory=list[Letter])
    longest: int | None = None
    refused: int = 0

    def ask(self, letters: Sequence[Letter]) -> list[Answer | None]:
        size = max(sum(len(m.content) for m in letter.messages) for letter in letters)
        if self.longest is not None and size > self.longest:
            self.refused += 1
            raise ContextLengthError(f"{size} are too many")
        first = len(self.letters)
        self.letters += letters
        return [self.script(first + i) for i in range(len(letters))]


def designer(
    script: Callable[[int], Answer | None], **more: int
) -> tuple[WritingDesigner, Scripted]:
    scripted = Scripted(script, **more)
    return WritingDesigner("llm", scripted), scripted


def test_every_sample_is_a_letter_of_its_own() -> None:
    asked, scripted = designer(lambda i: Answer(REPLY))
    proposals = asked.propose(replace(CONTEXT, count=3))
    assert [p.source for p in proposals] == [CODE] * 3
    assert [p.note for p in proposals] == ["Pay for speed."] * 3
    assert {p.origin for p in proposals} == {"scratch"}
    assert [x.sample for x in scripted.letters] == [0, 1, 2]
    assert [x.label for x in scripted.letters] == [f"iteration-1/c1-{i}" for i in (1, 2, 3)]
    assert len({x.messages for x in scripted.letters}) == 1


def test_parents_shown_are_the_parents_recorded() -> None:
    history = tuple(Tried(f"c1-{i}", 0, CODE, "evaluated", Feedback()) for i in range(1, 5))
    asked, _ = designer(lambda i: Answer(REPLY))
    context = replace(CONTEXT, count=1, iteration=1, parents=history, history=history)
    proposal = asked.propose(context)[0]
    assert (proposal.parents, proposal.origin) == (("c1-1", "c1-2"), "rewrite")


@pytest.mark.parametrize(
    ("text", "finish", "rule"),
    [
        ("", "empty", "empty-reply"),
        ("  \n", "stop", "empty-reply"),
        ("I cannot help with that.", "refusal", "refused-reply"),
        ("", "content_filter", "filtered-reply"),
        ("Thinking.\n```python\ndef compute_rew", "length", "cut-off-reply"),
    ],
)
def test_a_reply_without_a_reward_says_why(text: str, finish: Finish, rule: str) -> None:
    asked, _ = designer(lambda i: Answer(text, finish))
    proposal = asked.propose(replace(CONTEXT, count=1))[0]
    assert proposal.fault is not None
    assert proposal.fault.rule == rule
    assert proposal.source.strip() == text.strip()


@pytest.mark.parametrize("text", ["Only prose.", REPLY + REPLY, "```python\nx = (\n```"])
def test_what_the_check_can_judge_is_left_to_it(text: str) -> None:
    asked, _ = designer(lambda i: Answer(text))
    proposal = asked.propose(replace(CONTEXT, count=1))[0]
    assert (proposal.fault, proposal.source.strip()) == (None, text.strip())


def test_a_whole_reward_in_a_cut_off_reply_counts() -> None:
    asked, _ = designer(lambda i: Answer(REPLY + "And then", "length"))
    assert asked.propose(replace(CONTEXT, count=1))[0].source == CODE


def test_repair_asks_about_each_with_its_findings() -> None:
    asked, scripted = designer(lambda i: Answer(REPLY))
    finding = Finding("gate", "contract", "unknown-feature", "error", 2, "no 'speed'", "")
    refused = [Refused(f"c1-{s + 1}", s, f"# {s}\n", (finding,)) for s in (0, 2)]
    assert isinstance(asked, Repairs)
    repairs = asked.repair(CONTEXT, refused)
    assert [r.source for r in repairs if r is not None] == [CODE, CODE]
    assert [x.label for x in scripted.letters] == [
        "iteration-1/c1-1-repair",
        "iteration-1/c1-3-repair",
    ]
    assert all("rule unknown-feature, line 2" in x.messages[-1].content for x in scripted.letters)
    assert scripted.letters[1].messages[-2].content == "# 2"


def test_at_the_cap_there_are_fewer_proposals_then_none() -> None:
    asked, _ = designer(lambda i: Answer(REPLY) if i == 0 else None)
    assert len(asked.propose(replace(CONTEXT, count=3))) == 1
    with pytest.raises(ExhaustedError, match="cap"):
        asked.propose(CONTEXT)
    refused = Refused("c1-1", 0, "x", ())
    assert asked.repair(CONTEXT, [refused]) == [None]


def test_a_prompt_that_is_too_long_is_shortened() -> None:
    long = CODE + "# " + "x" * 5000 + "\n"
    history = tuple(Tried(f"c1-{i}", 0, long, "evaluated", Feedback()) for i in (1, 2))
    context = replace(CONTEXT, count=1, iteration=1, parents=history, history=history)
    asked, scripted = designer(lambda i: Answer(REPLY), longest=10_000)
    assert asked.propose(context)[0].source == CODE
    asked, scripted = designer(lambda i: Answer(REPLY), longest=100)
    with pytest.raises(ContextLengthError):
        asked.propose(context)
    assert scripted.letters == []


def test_a_long_answer_is_quoted_in_part() -> None:
    asked, scripted = designer(lambda i: Answer(REPLY))
    rambling = "first words " + "hm, " * 50_000 + "last words"
    asked.repair(CONTEXT, [Refused("c1-1", 0, rambling, ())])
    (letter,) = scripted.letters
    quoted = letter.messages[-2].content
    assert len(quoted) < 11_000
    assert quoted.startswith("first words") and quoted.endswith("last words")
    assert "characters left out" in quoted


def test_a_repair_that_does_not_fit_the_model_costs_that_candidate_alone() -> None:
    """The first letter fits, the second does not; no letter is sent twice."""
    size = len("".join(m.content for m in _repair_letter("x").messages))
    asked, scripted = designer(lambda i: Answer(REPLY), longest=size + 100)
    refused = [Refused("c1-1", 0, "x", ()), Refused("c1-2", 1, "x" * 9_000, ())]
    first, second = asked.repair(CONTEXT, refused)
    assert first is not None and first.source == CODE
    assert second is None
    assert scripted.refused == 2


def _repair_letter(source: str) -> Letter:
    asked, scripted = designer(lambda i: Answer(REPLY))
    asked.repair(CONTEXT, [Refused("c1-1", 0, source, ())])
    return scripted.letters[0]
