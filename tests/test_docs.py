"""The guides say what is so: their commands exist, their code runs, their tables are generated."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rewardgen.check.names import IMPORTABLE
from rewardgen.cli.main import VERBS
from rewardgen.config import RunConfig
from rewardgen.llm.prices import price_table
from rewardgen.rewards import vocabulary
from rewardgen.run.model_cost import model_cost
from rewardgen_envs.registry import load_task

ROOT = Path(__file__).parents[1]
GUIDES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "runs" / "README.md"])
REWARD_GUIDE = ROOT / "docs" / "write-a-reward.md"
RELIABILITY = ROOT / "docs" / "reliability.md"
REWARDGEN = Path(sys.executable).with_name("rewardgen")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.name)
def test_links_lead_somewhere(guide: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", guide.read_text())
    assert [link for link in links if not (guide.parent / link).exists()] == []


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.name)
def test_commands_exist(guide: Path) -> None:
    text = guide.read_text()
    commands = [
        line.partition("#")[0].split()
        for block in blocks(text, "bash")
        for line in block.splitlines()
    ]
    commands += [span.split() for span in re.findall(r"`((?:rewardgen|make) [^`]+)`", text)]
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    for command in commands:
        if command[:1] == ["rewardgen"] and command[1].isalpha():
            assert " ".join(command[1:3]) in VERBS or command[1] in VERBS, command
        if command[:1] == ["make"]:
            assert command[1] in targets, command


def test_options_exist() -> None:
    text = "\n".join(guide.read_text() for guide in GUIDES)
    verbs = "run|train|check|show|list|generate|feedback|export reward|import reward|export"
    used = re.findall(rf"rewardgen ({verbs}) ([^`\n]*)", text)
    for verb in sorted({verb for verb, _ in used}):
        shown = subprocess.run(
            [REWARDGEN, *verb.split(), "--help"], capture_output=True, text=True
        ).stdout
        options = {o for v, rest in used if v == verb for o in re.findall(r"--[a-z-]+", rest)}
        assert [option for option in sorted(options) if option not in shown] == []


def test_every_fault_has_a_test_or_a_reason() -> None:
    rows = re.findall(r"^\| (\d+) \|(.*)\|(.*)\|$", RELIABILITY.read_text(), re.MULTILINE)
    assert [int(number) for number, _, _ in rows] == list(range(1, 41))
    missing: list[str] = []
    for number, _, tests in rows:
        named = re.findall(r"`([\w/]+\.py)::(\w+)`", tests)
        assert named or tests.strip().endswith("."), f"fault {number} has neither"
        missing += [
            f"{path}::{name}"
            for path, name in named
            if not (ROOT / "tests" / path).is_file()
            or f"\ndef {name}(" not in (ROOT / "tests" / path).read_text()
        ]
    assert missing == []


def test_what_can_be_imported_is_what_the_gate_lets_through() -> None:
    found = re.search(
        r"Importable[^`]*((?:`[^`]+`[\s,and]*)+); nothing else", REWARD_GUIDE.read_text()
    )
    assert found is not None
    assert tuple(re.findall(r"`([^`]+)`", found[1])) == IMPORTABLE


def test_example_reward_is_accepted_and_its_misspelling_explained(tmp_path: Path) -> None:
    text = REWARD_GUIDE.read_text()
    (code,) = blocks(text, "python")
    quoted = next(block for block in blocks(text, "text") if "error [" in block)
    command = [REWARDGEN, "check", "upright.py", "--task", "cartpole/swing-up"]
    for source, expected in (
        (code, "accepted"),
        (code.replace("pole_angle,", "pole_angel,"), quoted.partition(" …")[0]),
    ):
        (tmp_path / "upright.py").write_text(source)
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert expected in done.stdout + done.stderr


def test_vocabulary_is_the_one_in_scope() -> None:
    assert vocabulary_table() in REWARD_GUIDE.read_text(), f"\n{vocabulary_table()}"


def vocabulary_table() -> str:
    """The guide's table of the vocabulary, from signatures and docstrings."""
    functions = [
        function
        for name, function in inspect.getmembers(vocabulary, inspect.isfunction)
        if not name.startswith("_") and function.__module__ == vocabulary.__name__
    ]
    functions.sort(key=lambda function: inspect.unwrap(function).__code__.co_firstlineno)
    rows = ["| function | gives |", "|---|---|"]
    for function in functions:
        parameters = inspect.signature(inspect.unwrap(function)).parameters.values()
        arguments = ", ".join(str(p.replace(annotation=p.empty)) for p in parameters)
        summary = (inspect.getdoc(function) or "").split("\n\n")[0].removeprefix("Return ")
        gives = " ".join(summary.replace("``", "`").split())
        rows.append(f"| `{function.__name__}({arguments})` | {gives} |")
    return "\n".join(rows)


def test_what_a_language_model_costs_is_what_is_estimated() -> None:
    text = " ".join((ROOT / "README.md").read_text().split())
    dated = r"([\d.]+) USD with gpt-5, at the prices of (\d{4}-\d\d-\d\d)"
    said = re.search(rf"([\d.]+) USD with gpt-5-mini and {dated}", text)
    assert said is not None
    task = load_task("half-cheetah/run")
    costs: list[str] = []
    most: list[str] = []
    for model in ("gpt-5-mini", "gpt-5"):
        config = RunConfig(task=task.name, designer="llm", model=model)
        cost = model_cost(config, task)
        assert cost is not None and cost.usd is not None and cost.at_most_usd is not None
        criticized = model_cost(config.model_copy(update={"critic": True}), task)
        assert criticized is not None and criticized.calls == 2 * cost.calls
        assert f"asks for {cost.calls} replies" in text
        costs.append(f"{cost.usd:.2f}")
        most.append(f"{cost.at_most_usd:.2f}")
    assert [*costs, str(price_table().date)] == list(said.groups())
    assert f"asked for twice, {' and '.join(most)} USD" in text
