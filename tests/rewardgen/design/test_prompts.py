"""Prompts: everything a designer may know, nothing that it may not."""

from __future__ import annotations

import re

import pytest

from rewardgen.analysis.columns import ColumnStatistics
from rewardgen.analysis.feedback import Failure, Feedback, Fitness
from rewardgen.check.gate import gate
from rewardgen.design.designer import DesignContext, Tried
from rewardgen.design.prompting import PROMPTS, first_messages, repair_messages
from rewardgen.rewards.code import VOCABULARY
from rewardgen.rewards.findings import Finding
from rewardgen.rewards.format import SIGNATURE, parse_reward
from rewardgen_envs.registry import load_task
from tests.every_task import every_task

CODE = "def compute_reward(state, action, next_state):\n    return next_state.x, {}\n"


def context_of(name: str) -> DesignContext:
    task = load_task(name)
    return DesignContext(
        sentence=task.description,
        table=task.table.public(),
        action=task.action,
        control_dt_s=task.control_dt_s,
        episode_steps=task.episode_steps,
        count=2,
        seed=1,
    )


def tried(candidate: str, fitness: float | None = 0.5, **more: object) -> Tried:
    measured = (
        ()
        if fitness is None
        else (
            Fitness(
                metric="speed",
                unit="m/s",
                higher_is_better=True,
                mean=fitness,
                low=fitness,
                high=fitness,
                members=(fitness,),
                episodes=10,
            ),
        )
    )
    feedback = Feedback(fitness=measured).model_copy(update=more)
    state = "evaluated" if fitness is not None else "rejected"
    return Tried(candidate, 0, f"# of {candidate}\n{CODE}", state, feedback)


@pytest.fixture
def context() -> DesignContext:
    return context_of("cartpole/swing-up")


@pytest.mark.parametrize("name", every_task())
def test_every_public_feature_is_told_and_no_private_one(name: str) -> None:
    task = load_task(name)
    text = "\n".join(m.content for m in first_messages(context_of(name)))
    for feature in task.table:
        row = f"| `{feature.name}` |"
        assert (row in text) != feature.private
    assert task.description in text


@pytest.mark.parametrize("name", every_task())
def test_neither_fitness_nor_human_reward_leak(name: str) -> None:
    task = load_task(name)
    text = "\n".join(m.content for m in first_messages(context_of(name)))
    lines = {line.strip() for line in text.splitlines()}
    source = task.human_reward.read_text(encoding="utf-8")
    code = [line.strip() for line in source.splitlines() if " = " in line]
    assert code
    assert not lines & set(code)
    for metric in task.metrics:
        assert metric.description not in text


def test_vocabulary_and_signature_come_from_the_code(context: DesignContext) -> None:
    system = first_messages(context)[0]
    assert system.role == "system"
    for name in VOCABULARY:
        assert f"`{name}(" in system.content
    blocks = re.findall(r"```python\n(.*?)```", system.content, re.S)
    assert len(blocks) == 1
    assert blocks[0].startswith(f"{SIGNATURE}\n")


def test_ranges_stand_beside_their_features(context: DesignContext) -> None:
    ranges = {"cart_position": ColumnStatistics(0.0, -1.25, 0.5, 1.75)}
    told = DesignContext(**{**vars(context), "feature_ranges": ranges})
    user = first_messages(told)[1].content
    row = next(line for line in user.splitlines() if line.startswith("| `cart_position`"))
    assert row.endswith("| -1.25, 0.5, 1.75 |")


def test_parents_others_and_people_are_heard(context: DesignContext) -> None:
    bad = tried(
        "c1-4",
        None,
        failures=(Failure(state="rejected", stage="gate", rule="no-such-feature", message="typo"),),
    )
    history = (tried("c1-1", 0.1), tried("c1-2", 0.9), tried("c1-3", 0.3), bad)
    told = DesignContext(
        **{
            **vars(context),
            "iteration": 1,
            "parents": (history[1], history[2]),
            "history": history,
            "human_feedback": ("About c1-2: it hops", "slower\n# The contract\nis off"),
        }
    )
    user = first_messages(told)[1].content
    assert "## c1-2: the best so far" in user
    assert "# of c1-2" in user and "# of c1-3" in user and "# of c1-1" not in user
    assert "- c1-1: evaluated, speed 0.1 m/s" in user
    assert "- c1-4: rejected by rule no-such-feature: typo" in user
    assert "- About c1-2: it hops" in user
    assert "\n- slower\n  # The contract\n  is off\n" in user, "no heading of the prompt's own"
    shorter = first_messages(told, full_parents=1)[1].content
    assert "# of c1-3" not in shorter and "- c1-3: evaluated" in shorter
    assert len(first_messages(told, full_parents=0)[1].content) < len(shorter)


def test_repair_is_told_rule_line_and_remedy(context: DesignContext) -> None:
    finding = Finding("gate", "contract", "unknown-feature", "error", 7, "no 'x'", "use y")
    messages = repair_messages(context, CODE, [finding], full_parents=0)
    assert [m.role for m in messages] == ["system", "user", "assistant", "user"]
    assert messages[2].content == f"```python\n{CODE}```"
    assert "rule unknown-feature, line 7: no 'x'. Remedy: use y." in messages[3].content


def test_a_request_to_repair_is_short_however_much_is_wrong(context: DesignContext) -> None:
    names = "".join(f"unknown_name_{i}\n    " for i in range(700))
    code = CODE.replace("    return", f"    {names}return", 1)
    findings = gate(parse_reward(code), context.table)
    assert len(findings) > 1
    *_, request = repair_messages(context, code, findings, full_parents=0)
    assert len(request.content) < 5_000


def test_an_empty_answer_can_be_repaired(context: DesignContext) -> None:
    messages = repair_messages(context, "", [], full_parents=0)
    assert messages[2].content


def test_prompts_are_plain_files() -> None:
    assert {p.name for p in PROMPTS.glob("*")} == {
        "critic.md.j2",
        "critic_system.md.j2",
        "system.md.j2",
        "task.md.j2",
        "first.md.j2",
        "next.md.j2",
        "repair.md.j2",
    }
