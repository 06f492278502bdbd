"""``rewardgen check`` with layers switched off and on."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from rewardgen.cli.main import main

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="locks exist on Linux only")
TASK = "--task=cartpole/swing-up"


def checked(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, body: str, *flags: str
) -> tuple[int, dict[str, Any]]:
    """Check a reward file; return the exit status and the record."""
    file = tmp_path / "reward.py"
    file.write_text(f"def compute_reward(state, action, next_state):\n{body}\n")
    status = main(["check", str(file), TASK, "--json", *flags])
    return status, json.loads(capsys.readouterr().out.splitlines()[-1])


READS = """\
    import os
    return next_state.pole_angle * len(os.listdir("/")), {}"""


def test_what_the_gate_refuses_the_host_holds(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    status, record = checked(capsys, tmp_path, READS)
    assert (status, record["verdict"]) == (1, "refused")
    (first, *_) = record["findings"]
    assert (first["stage"], first["kind"], first["line"]) == ("gate", "policy", 2)
    assert record["isolation"]["applied"] == []

    status, record = checked(capsys, tmp_path, READS, "--gate", "off")
    assert (status, record["verdict"]) == (1, "failed")
    (finding,) = record["findings"]
    assert (finding["stage"], finding["kind"], finding["line"]) == ("probe", "runtime", 3)
    assert "PermissionError" in finding["message"]
    assert "system calls filtered" in record["isolation"]["applied"]

    status, record = checked(capsys, tmp_path, READS, "--gate=off", "--isolation=none")
    assert (status, record["verdict"]) == (0, "accepted")
    assert "system calls filtered" not in record["isolation"]["applied"]


def test_strict_says_that_it_was_tried_out(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    body = "    return next_state.pole_angle.cos(), {}"
    status, record = checked(capsys, tmp_path, body, "--isolation", "strict")
    assert (status, record["verdict"]) == (0, "accepted")
    assert record["isolation"]["mode"] == "strict"
    assert record["isolation"]["applied"][-1] == "tried out"


def test_a_file_that_is_no_text_is_a_finding(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "reward.py"
    file.write_bytes(b"# one\n\xff\xfe\n")
    assert main(["check", str(file), TASK, "--json"]) == 1
    record = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert record["verdict"] == "refused"
    (finding,) = record["findings"]
    assert (finding["stage"], finding["rule"], finding["line"]) == ("parse", "encoding", 2)
    assert finding["remedy"] == "save it as UTF-8"
    assert main(["check", str(file), TASK]) == 1
    assert "is not UTF-8 text" in capsys.readouterr().out


def test_the_record_of_a_hopeless_file_is_short(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "reward.py"
    imports = "".join(f"import m{i}\n" for i in range(1400))
    file.write_text(imports + "def compute_reward(s, a, n):\n    return n.pole_angle, {}\n")
    assert main(["check", str(file), "--stage=gate", "--json"]) == 1
    text = capsys.readouterr().out.splitlines()[-1]
    assert len(text) < 10_000
    assert json.loads(text)["findings"][-1]["message"].startswith("and 1,390 more findings")


def test_a_probe_without_a_task_says_what_to_do(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "reward.py"
    file.write_text("def compute_reward(s, a, n):\n    return n.pole_angle, {}\n")
    assert main(["check", str(file)]) == 2
    said = capsys.readouterr().err
    assert "--task NAME" in said
    assert "--stage gate" in said


def test_a_file_that_defines_no_task_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "reward.py"
    file.write_text("def compute_reward(s, a, n):\n    return n.pole_angle, {}\n")
    assert main(["check", str(file), "--task", f"{file}:Foo"]) == 2
    said = capsys.readouterr().err
    assert "defines no task class: write class Foo(Task)" in said
    assert "Valid:" not in said


def test_without_the_gate_nothing_is_left_of_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "reward.py"
    file.write_text("def compute_reward(s, a, n):\n    return n.pole_angle, {}\n")
    assert main(["check", str(file), "--stage", "gate", "--gate", "off"]) == 2
    assert "--gate off leaves nothing of --stage gate" in capsys.readouterr().err
