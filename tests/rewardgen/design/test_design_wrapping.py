"""What designers hear of wrappers, and how a reply names one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rewardgen.analysis.feedback import Feedback
from rewardgen.design.correspond import WritingDesigner
from rewardgen.design.designer import DesignContext, Proposal, Refused, Tried
from rewardgen.design.letters import Answer, Letter
from rewardgen.design.prompting import first_messages, repair_messages
from rewardgen.design.wrapping import catalogue, named_wrapper, wrapper_line
from rewardgen.rewards.findings import Finding
from rewardgen.rewards.wrappers.catalogue import WRAPPERS, Krc, Pbrs
from rewardgen_envs.registry import load_task

TASK = load_task("cartpole/balance")
CONTEXT = DesignContext(
    sentence=TASK.description,
    table=TASK.table.public(),
    action=TASK.action,
    control_dt_s=TASK.control_dt_s,
    episode_steps=TASK.episode_steps,
    count=1,
    seed=1,
    may_wrap=True,
)
BLOCK = "```python\ndef compute_reward(s, a, n):\n    return n.x, {}\n```\n"
NAMED = {"name": "pbrs", "potential": "up"}


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ('Wrapper: {"name": "pbrs", "potential": "up"}', NAMED),
        ('**Wrapper:** `{"name": "pbrs", "potential": "up"}`', NAMED),
        ('- wrapper: {"name": "pbrs", "potential": "up"}.', NAMED),
        ("Wrapper: krc", "krc"),
        ("Wrapper: `krc`.", "krc"),
        ("WRAPPER: krc", "krc"),
        ("Wrapper: none", None),
        ("Wrapper: None.", None),
        ("Wrapper: none is needed here, the terms suffice.", None),
        ("A wrapper would not help.", None),
        ("", None),
        ("Wrapper: {'name': 'pbrs'}", "{'name': 'pbrs'}"),
        ('Wrapper: {"name": "par", "slope": NaN}', '{"name": "par", "slope": NaN}'),
        ('Wrapper: {"name": "par", "slope": 1e999}', '{"name": "par", "slope": 1e999}'),
        ('Wrapper: {"name": "\\ud800"}', '{"name": "\\ud800"}'),
    ],
)
@pytest.mark.parametrize("before", [True, False])
def test_a_line_beside_the_code_names_a_wrapper(line: str, named: object, before: bool) -> None:
    reply = f"Some thought.\n\n{line}\n\n{BLOCK}" if before else f"Thought.\n\n{BLOCK}\n{line}\n"
    assert named_wrapper(reply) == named


def test_a_line_of_the_code_names_none() -> None:
    inside = BLOCK.replace("def", "# Wrapper: krc\nwrapper: krc\ndef")
    assert named_wrapper(f"Thought.\n\n{inside}") is None
    assert named_wrapper(f"Wrapper: par\n\n{inside}") == "par"


@pytest.mark.parametrize("deep", ['{"a": ' * 400 + "1" + "}" * 400, '{"a": ' + "[" * 900 + "}"])
def test_what_is_nested_without_end_is_a_text(deep: str) -> None:
    named = named_wrapper(f"Wrapper: {deep}\n\n{BLOCK}")
    assert isinstance(named, str) and len(named) <= 1000


def test_prompts_hold_the_whole_catalogue_if_a_wrapper_may_be_named() -> None:
    text = first_messages(CONTEXT)[0].content
    lines = list(catalogue())
    assert len(lines) == len(WRAPPERS)
    for name, line in zip(WRAPPERS, lines, strict=True):
        assert line.startswith(f"`{name}`: pays ") and f"- {line}" in text
        assert all(f"`{p}`" in line for p in WRAPPERS[name].model_fields if p != "name")
    assert 'Wrapper: {"name": "pbrs"' in text


def test_prompts_say_nothing_of_wrappers_where_none_may_be_named() -> None:
    alone = replace(CONTEXT, may_wrap=False)
    finding = Finding("probe", "contract", "shape", "error", None, "wrong", "mend it")
    said = [*first_messages(alone), *repair_messages(alone, BLOCK, [finding], full_parents=0)]
    assert not any("wrapper" in message.content.lower() for message in said)


def test_a_wrapper_around_everything_is_told_and_no_other_offered() -> None:
    given = replace(CONTEXT, may_wrap=False, wrapper=Pbrs(potential="up"))
    text = first_messages(given)[0].content
    assert 'Wrapper: {"name": "pbrs", "potential": "up"}' in text
    assert "krc" not in text


def test_parents_are_told_with_what_was_around_them() -> None:
    parent = Tried("c1-1", 0, "code", "evaluated", Feedback(), wrapper=NAMED)
    other = Tried("c1-2", 0, "code", "evaluated", Feedback())
    context = replace(CONTEXT, iteration=1, parents=(parent, other), history=(parent, other))
    text = first_messages(context)[1].content
    assert text.count("Wrapper: ") == 1
    assert text.index(wrapper_line(NAMED)) > text.index("## c1-1")
    assert text.index(wrapper_line(NAMED)) < text.index("## c1-2")


class Scripted:
    """Answers every letter alike, and keeps them."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.letters: list[Letter] = []

    def ask(self, letters: list[Letter]) -> list[Answer | None]:
        self.letters += letters
        return [Answer(self.text) for _ in letters]


def test_a_designer_passes_on_what_a_reply_names() -> None:
    answer = f"Thought.\n\n{wrapper_line(NAMED)}\n\n{BLOCK}"
    scripted = Scripted(answer)
    designer = WritingDesigner("llm", scripted)
    (proposal,) = designer.propose(CONTEXT)
    assert proposal.wrapper == NAMED
    (alone,) = designer.propose(replace(CONTEXT, may_wrap=False))
    assert alone == replace(proposal, wrapper=None)
    refused = Refused("c1-1", 0, proposal.source, (), wrapper=NAMED)
    (repaired,) = designer.repair(CONTEXT, [refused])
    assert isinstance(repaired, Proposal) and repaired.wrapper == NAMED
    said = scripted.letters[-1].messages[-2].content
    assert said.startswith(wrapper_line(NAMED)) and "def compute_reward" in said


def test_a_wrapper_of_the_users_is_no_matter_of_the_reply() -> None:
    scripted = Scripted(f"{wrapper_line(NAMED)}\n\n{BLOCK}")
    fixed = replace(CONTEXT, may_wrap=False, wrapper=Krc())
    (proposal,) = WritingDesigner("llm", scripted).propose(fixed)
    assert proposal.wrapper is None
