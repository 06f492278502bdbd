"""The command itself: signals before it is at work, and an output that cannot be written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

START = "from rewardgen.cli.entry import start; start()"
STARTING_S = 120.0


def begun(*arguments: str, code: str = START) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True)


def interrupting(module: str) -> str:
    """Return code after which a module's import meets signals."""
    return f"""
import os, signal, sys
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            for _ in range(5):
                os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupting())
"""


@pytest.mark.parametrize(
    "module", ["numpy", "torch", "mujoco", "rewardgen.api", "tyro", "rewardgen.cli.main"]
)
def test_ctrl_c_while_a_module_is_imported_ends_in_one_line(module: str, tmp_path: Path) -> None:
    """A signal is delivered in the middle of an import, wherever that is."""
    place = ["--runs-dir", str(tmp_path)]
    code = interrupting(module) + START
    process = begun("train", "--task", "cartpole/balance", *place, code=code)
    out, err = process.communicate(timeout=STARTING_S)
    assert (process.returncode, out, err) == (130, "", "rewardgen: interrupted\n")


def test_an_interrupt_that_is_ignored_stays_so(tmp_path: Path) -> None:
    """As shells do for what they start in the background."""
    ignore = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    code = ignore + interrupting("rewardgen.cli.runs") + START
    process = begun("list", "--runs-dir", str(tmp_path), code=code)
    _, err = process.communicate(timeout=STARTING_S)
    assert (process.returncode, err) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("arguments", [("list",), ("list", "--json"), ("doctor",), ("--help",)])
def test_an_output_that_cannot_be_written_is_said(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", START, *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
    assert done.returncode == 1
    assert done.stderr == "rewardgen: cannot write the output: No space left on device\n"
