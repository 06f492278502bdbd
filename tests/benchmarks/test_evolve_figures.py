"""What the evolve benchmark makes of its parts, on hand-made searches."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.evolve import BUDGETS, PARTS, combine
from benchmarks.tables import evolve

TASK = "cartpole/swing-up"


def part(strategy: str, seed: int, winner: list[float], *, longer: bool = False) -> dict[str, Any]:
    arms = {"human": [0.5, 0.5], "sparse": [0.0, 0.1]}
    figures: dict[str, Any] = {
        "task": TASK,
        "seed": seed,
        "strategy": strategy,
        "longer": longer,
        "arms": arms | ({"winner": winner} if winner else {}),
        "medians": [0.1, None, 0.3],
        "search_s": 120.0 + seed,
        "env_steps": 1_000_000,
        "winner": "source",
    }
    if strategy == "evolve" and not longer:
        figures["single"] = {"source": None, "note": "", "points": [0.9, 0.9]}
    return figures


PARTS_MEASURED = [
    part("evolve", 1, [0.4, 0.6]),
    part("evolve", 2, [0.8, 0.8]),
    part("random", 1, [0.5, 0.5]),
    part("random", 2, []),
    part("evolve", 1, [0.7, 0.9], longer=True),
]


def test_pairs_of_searches_are_counted_by_the_winners_iqm() -> None:
    figures = combine(PARTS_MEASURED)[TASK]
    # 0.5 against 0.5 is no win; whoever has no winner loses
    assert figures["searches"] == {"evolve": [0.5, 0.8], "random": [0.5, None]}
    assert (figures["wins"], figures["pairs"]) == (3, 4)


def test_sides_are_pooled_over_searches_and_the_longer_one_is_apart() -> None:
    figures = combine(PARTS_MEASURED)[TASK]
    assert figures["evolve"]["iqm"] == pytest.approx(0.7)  # of 0.4 0.6 0.8 0.8
    assert figures["human"]["iqm"] == pytest.approx(0.5)
    assert figures["longer"]["iqm"] == pytest.approx(0.8)
    assert set(figures["medians"]) == {"evolve 1", "evolve 2", "random 1", "random 2"}


def test_the_table_says_where_another_side_is_better() -> None:
    text = evolve(PARTS_MEASURED)
    row = next(line for line in text.splitlines() if line.startswith(f"| {TASK} | 0.700"))
    assert "| 3 of 4 | better than evolve: single |" in row
    assert f"| {TASK} | random 1 | 0.10, -, 0.30 |" in text


def test_every_task_has_three_pairs_of_searches_and_a_longer_one() -> None:
    assert len(PARTS) == len(BUDGETS) * (3 * 2 + 1)
