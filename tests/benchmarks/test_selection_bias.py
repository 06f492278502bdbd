"""Equal rewards: who is selected looks better than it is, who is confirmed does not."""

from __future__ import annotations

import pytest

from benchmarks.selection_bias import SHAPES, combine, part


@pytest.mark.parametrize("shape", SHAPES)
def test_confirmed_intervals_hold_the_truth_and_selected_scores_flatter(shape: str) -> None:
    found = combine([part(shape, races=150)])[shape]
    for coverage in found["coverage"].values():
        assert coverage["value"] >= 0.88  # what 150 races can tell from 0.95
    assert found["selected_bias"] > 0.5
    assert abs(found["confirmed_bias"]) < 0.15
