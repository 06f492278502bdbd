"""The guide to Isaac, followed to the letter as far as it goes without a simulator."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from rewardgen.cli.main import main
from rewardgen_envs.adapters.isaac import environment, process
from rewardgen_envs.adapters.isaac.rewardgen_worker import protocol

GUIDE = (Path(__file__).parents[3] / "docs" / "isaac.md").read_text(encoding="utf-8")


def block(after: str, language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```", GUIDE.partition(after)[2], re.M | re.S)
    assert found is not None
    return found[1]


def test_the_example_is_imported_as_the_guide_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "theirs.py").write_text(block("`theirs.py`:", "python"))
    command = block("`theirs.py`:", "bash").split()
    assert command[0] == "rewardgen"
    assert main(command[1:]) == 0
    assert capsys.readouterr().out == block("`theirs.py`:", "text")


def test_the_worker_of_the_guide_names_what_there_is() -> None:
    tree = ast.parse(block("`ant_worker.py`:", "python"), feature_version=(3, 8))
    folder = Path(protocol.__file__).parent
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rewardgen_worker"):
            module = ast.parse((folder / f"{str(node.module).partition('.')[2]}.py").read_text())
            defined = {getattr(each, "name", None) for each in module.body}
            assert {alias.name for alias in node.names} <= defined
    for name in re.findall(r"`(Worker\w+)`", GUIDE):
        assert hasattr(process, name)
    assert hasattr(environment, "IsaacVectorEnv")


def test_the_protocol_of_the_guide_is_the_one_spoken() -> None:
    assert f"Version {protocol.VERSION}, over standard" in GUIDE
    assert f"`{protocol.MAGIC.decode()}`" in GUIDE
    assert protocol.HEAD.format == "<4sIQ"
