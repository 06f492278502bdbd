"""Guides that are followed to the letter: their files written, their commands run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(
    r"(?:^`(?P<file>[\w/.-]+)`:\n\n)?^```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.M | re.S
)


@dataclass(frozen=True)
class Block:
    """One block of a guide: ``bash`` to run, ``text`` for its output, else of a file."""

    kind: str
    file: str | None
    text: str


def blocks(guide: Path) -> list[Block]:
    found = _BLOCK.finditer(guide.read_text(encoding="utf-8"))
    return [Block(m["kind"], m["file"], m["text"]) for m in found]


def run(commands: str, folder: Path) -> str:
    """Run commands as a reader would, with this environment's programs, and return the output."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=folder,
        env={**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{commands}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def missing_line(expected: str, output: str) -> str | None:
    """Return the first line of ``expected`` that does not follow in ``output``."""
    lines = iter(output.splitlines())
    for line in expected.splitlines():
        if line not in lines:
            return line
    return None


def follow(guide: Path, folder: Path, changed: Callable[[Block], str]) -> str:
    """Follow a guide in a folder; return the output of its last commands.

    Args:
        guide: the page.
        folder: where its files are written and its commands run.
        changed: gives the text of a block as it is used here.
    """
    output = ""
    for block in blocks(guide):
        text = changed(block)
        if block.kind == "bash":
            output = run(text, folder)
        elif block.kind == "text":
            missing = missing_line(text, output)
            assert missing is None, f"the guide promises {missing!r}, the output is\n{output}"
        else:
            assert block.file is not None, block.text
            (folder / block.file).write_text(text, encoding="utf-8")
    return output
