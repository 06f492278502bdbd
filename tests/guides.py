"""Following a guide to the letter: its files written and changed, its commands run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
_BLOCK = re.compile(
    r"(?:^`(?P<file>[\w/.-]+)`:\n\n)?^```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.M | re.S
)


@dataclass(frozen=True)
class Block:
    """One block of a guide: of a file, ``diff`` for a change of it, ``bash`` to run, ``text`` for
    what that prints."""

    kind: str
    file: str | None
    text: str


@dataclass(frozen=True)
class Followed:
    """What came of it: the files that were written or changed, the last command's output."""

    files: set[str]
    output: str


def blocks(guide: Path) -> list[Block]:
    found = _BLOCK.finditer(guide.read_text(encoding="utf-8"))
    return [Block(m["kind"], m["file"], m["text"]) for m in found]


def follow(
    guide: Path, folder: Path, adapted: Callable[[Block], str] = lambda block: block.text
) -> Followed:
    """Do what a guide says in a folder that stands for the root of a checkout.

    Args:
        guide: the page.
        folder: where its files are written and its commands run.
        adapted: gives the text of a block as it is used here.
    """
    for name in ("docs", "configs"):
        (folder / name).symlink_to(ROOT / name)
    output, files = "", set[str]()
    for block in blocks(guide):
        text = adapted(block)
        if block.kind == "bash":
            output = run(text, folder)
        elif block.kind == "text":
            missing = missing_line(text, output)
            assert missing is None, f"the guide promises {missing!r}, the output is\n{output}"
        elif block.kind in ("python", "yaml", "diff"):
            assert block.file is not None, text
            path = folder / block.file
            files.add(block.file)
            path.parent.mkdir(exist_ok=True)
            if block.kind == "diff":
                text = changed(path.read_text(encoding="utf-8"), text)
            path.write_text(text, encoding="utf-8")
    return Followed(files, output)


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
    """Return the first line of ``expected`` that does not follow in ``output``; "…" ends any."""
    lines = iter(output.splitlines())
    for line in expected.splitlines():
        begin = line.removesuffix(" …")
        if not any(
            begin == shown or (begin != line and shown.startswith(begin)) for shown in lines
        ):
            return line
    return None


def changed(text: str, changes: str) -> str:
    """Return a text after changes: ``-`` goes, ``+`` comes, the rest says where."""
    lines = changes.splitlines()
    before, after = (
        "".join(f"{line[1:]}\n" for line in lines if line[:1] in kept) for kept in (" -", " +")
    )
    assert text.count(before) == 1, f"{text.count(before)} times in the file:\n{before}"
    return text.replace(before, after)


def dead_links(guide: Path) -> list[str]:
    links = re.findall(r"\]\(([^)#:]+)\)", guide.read_text(encoding="utf-8"))
    assert links
    return [link for link in links if not (guide.parent / link).is_file()]
