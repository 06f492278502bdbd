"""No number in benchmarks/README.md is typed by hand."""

from __future__ import annotations

import pytest

from benchmarks import isolation, kills, large_run
from benchmarks.harness import latest
from benchmarks.tables import README, TABLES, generated, interval, table
from benchmarks.throughput import combine


def test_the_tables_are_those_of_the_results() -> None:
    text = README.read_text(encoding="utf-8")
    assert generated(text) == text, "run: python -m benchmarks.tables"


def test_every_benchmark_has_a_place_in_the_readme() -> None:
    text = README.read_text(encoding="utf-8")
    scripts = {path.stem for path in README.parent.glob("*.py")}
    for name in TABLES:
        assert name in scripts
        assert text.count(f"<!-- {name} -->") == text.count(f"<!-- /{name} -->") == 1


def test_a_changed_number_is_noticed() -> None:
    text = README.read_text(encoding="utf-8")
    marker = "<!-- /evolve -->"
    assert generated(text.replace(marker, f"a number by hand: 42\n{marker}")) == text


def test_tables_are_markdown() -> None:
    assert table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"
    assert interval((0.1, 1234.5)) == "[0.10, 1,234.50]"
    assert interval(None) == "-"


@pytest.fixture
def front_page() -> str:
    return " ".join((README.parents[1] / "README.md").read_text(encoding="utf-8").split())


def test_the_ratios_in_the_readme_are_the_measured_ones(front_page: str) -> None:
    figures, text = combine(latest("throughput")), front_page
    assert f"takes {100 * figures['share_of_raw']:.0f} % of the environment steps" in text
    assert f"{figures['times_sb3']:.1f} times those of Stable-Baselines3's PPO" in text
    assert f"{figures['times_sb3_batched']:.1f} times those of the same PPO" in text


def test_what_the_readme_says_of_isolation_was_measured(front_page: str) -> None:
    figures = isolation.combine(latest("isolation"))
    assert f"takes {100 * figures['share_of_wall']:.1f} % of such a training" in front_page


def test_what_the_readme_says_of_kills_was_counted(front_page: str) -> None:
    figures = kills.combine(latest("kills"))
    assert figures["lost"] == 0
    assert figures["equal"] == figures["runs"]
    assert f"Out of {figures['in_all']} times" in front_page
    assert f"all {figures['runs']} searches" in front_page


def test_what_the_readme_says_of_large_runs_was_measured(front_page: str) -> None:
    sides = large_run.combine(latest("large_run"))["sides"]
    listed, shown, resumed = (sides[name]["wall_s"] for name in ("list", "show", "resume"))
    assert f"listed in {listed:.1f} s, shown in {shown:.1f} s" in front_page
    assert f"taken up in {resumed:.1f} s" in front_page
