"""Reading commands are fast: they import neither torch nor mujoco."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rewardgen.cli.main import main

PROBE = """
import sys
from rewardgen.cli.main import main
status = main(sys.argv[1:])
heavy = sorted({"torch", "mujoco", "gymnasium", "scipy"} & set(sys.modules))
print("HEAVY", status, heavy)
"""


@pytest.mark.parametrize("arguments", [["list"], ["list", "--json"], ["--help"], ["--version"]])
def test_reading_commands_import_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "HEAVY 0 []"


def test_a_group_of_commands_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tasks", "--help"]) == 0
    printed = capsys.readouterr().out
    assert "tasks baseline" in printed and "export" not in printed
    assert main(["tasks"]) == 2


def test_output_that_nobody_reads_is_no_error() -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "rewardgen.cli.main", "tasks", "list"],
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")
