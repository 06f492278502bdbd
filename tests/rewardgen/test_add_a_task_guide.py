"""``docs/add-a-task.md`` is followed to the letter: its files written, its commands run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from rewardgen_envs.checks.pipeline import PROPERTIES

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "add-a-task.md"
_BLOCK = re.compile(
    r"(?:^`(?P<file>[\w/.-]+)`:\n\n)?^```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.M | re.S
)


@dataclass(frozen=True)
class Block:
    """One block of the guide: ``python`` for a file, ``bash`` to run, ``text`` for its output."""

    kind: str
    file: str | None
    text: str


def blocks() -> list[Block]:
    found = _BLOCK.finditer(GUIDE.read_text(encoding="utf-8"))
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


@pytest.mark.slow
def test_following_the_guide_gives_a_checked_task(tmp_path: Path) -> None:
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    output, started = "", set[str]()
    for block in blocks():
        if block.kind == "bash":
            output = run(block.text, tmp_path)
        elif block.kind == "text":
            missing = missing_line(block.text, output)
            assert missing is None, f"the guide promises {missing!r}, the output is\n{output}"
        elif block.kind == "python":
            assert block.file is not None, block.text
            path = tmp_path / block.file
            before = f"{path.read_text(encoding='utf-8')}\n" if block.file in started else ""
            started.add(block.file)
            path.write_text(before + block.text, encoding="utf-8")
    assert started == {"go1-task/walk.py", "go1-task/walk_reward.py"}
    assert output.split() == ["accepted", "accepted"]


def test_guide_names_every_property_in_order() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| (.*) \|$", GUIDE.read_text(encoding="utf-8"), re.M)
    expected = [(n, (p.test.__doc__ or "").splitlines()[0]) for n, p in PROPERTIES.items()]
    assert rows[:-1] == expected
    assert rows[-1][0] == "human-reward"


def test_every_linked_file_exists() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", GUIDE.read_text(encoding="utf-8"))
    assert links
    assert all((GUIDE.parent / link).is_file() for link in links)
