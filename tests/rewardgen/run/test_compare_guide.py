"""``docs/compare.md`` is followed to the letter: its files written, its commands run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.guides import ROOT, dead_links, follow

GUIDE = ROOT / "docs" / "compare.md"


@pytest.mark.slow
def test_following_the_guide_compares_and_confirms(tmp_path: Path) -> None:
    followed = follow(GUIDE, tmp_path)
    names = ("backwards", "effort", "shaped", "upright")
    assert followed.files == {f"rewards/{name}.py" for name in names}
    written = {path.name for path in (tmp_path / "compared").iterdir()}
    assert {"comparison.html", "comparison.json", "transitions.safetensors"} <= written
    assert (tmp_path / "runs" / "balance" / "figures" / "waterfall.csv").is_file()


def test_every_linked_file_exists() -> None:
    assert dead_links(GUIDE) == []
