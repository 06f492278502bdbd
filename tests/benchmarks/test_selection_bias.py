"""Equal rewards: who is selected looks better than it is, who is confirmed does not."""

from __future__ import annotations

import pytest

from benchmarks.selection_bias import SHAPES, USUAL, combine, part


@pytest.mark.parametrize("shape", SHAPES)
def test_confirmed_intervals_hold_the_truth_and_selected_scores_flatter(shape: str) -> None:
    found = combine([part(shape, races=150)])[shape]
    # five seeds of which three in ten fail hold it less often, which the benchmark says
    for seeds in (USUAL, 20):
        assert found["coverage"][str(seeds)]["value"] >= 0.9  # 150 races of which 95 % hold it
    assert found["selected_bias"] > 0.5
    assert -0.25 < found["confirmed_bias"] < 0.15  # where some seeds fail it is too low, never high
