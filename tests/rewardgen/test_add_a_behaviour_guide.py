"""``docs/add-a-behaviour.md`` is followed to the letter: its files written, its commands run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.guides import ROOT, blocks, dead_links, follow

GUIDE = ROOT / "docs" / "add-a-behaviour.md"
LINES = 60  # of code that a behaviour takes, reward included


@pytest.mark.slow
def test_following_the_guide_gives_a_trained_behaviour(tmp_path: Path) -> None:
    followed = follow(GUIDE, tmp_path)
    assert followed.files == {"crab/crab.py", "crab/crab_reward.py"}
    assert {run.name for run in (tmp_path / "runs").iterdir()} >= {"crab-human", "crab-search"}
    assert "crab-search" in followed.output


def test_a_behaviour_is_short() -> None:
    lines = [
        line
        for block in blocks(GUIDE)
        if block.kind == "python"
        for line in block.text.splitlines()
        if line.strip()
    ]
    assert len(lines) < LINES


def test_every_linked_file_exists() -> None:
    assert dead_links(GUIDE) == []
