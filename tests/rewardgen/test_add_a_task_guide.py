"""``docs/add-a-task.md`` is followed to the letter: its files written, its commands run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rewardgen_envs.checks.pipeline import PROPERTIES
from tests.guides import ROOT, changed, dead_links, follow

GUIDE = ROOT / "docs" / "add-a-task.md"


@pytest.mark.slow
def test_following_the_guide_gives_a_checked_task(tmp_path: Path) -> None:
    followed = follow(GUIDE, tmp_path)
    assert followed.files == {"go1-task/walk.py", "go1-task/walk_reward.py"}
    assert followed.output.splitlines()[-2:] == ["accepted", "accepted"]
    assert not re.search(r"\b(error|warning) \[", followed.output)


def test_guide_names_every_property_in_order() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| (.*) \|$", GUIDE.read_text(encoding="utf-8"), re.M)
    expected = [(n, (p.test.__doc__ or "").splitlines()[0]) for n, p in PROPERTIES.items()]
    assert rows[:-1] == expected
    assert rows[-1][0] == "human-reward"


def test_every_linked_file_exists() -> None:
    assert dead_links(GUIDE) == []


def test_changes_must_fit_the_file() -> None:
    assert changed("a\nb\nc\n", " a\n-b\n+B\n+\n") == "a\nB\n\nc\n"
    for file in ("a\nc\n", "a\nb\na\nb\n"):
        with pytest.raises(AssertionError):
            changed(file, " a\n-b\n")
