"""Predictions of trained fitness, worked out by hand."""

from __future__ import annotations

import pytest

from benchmarks.prediction import best_quarter, correlation, discarded, rescaled, shaped

REWARD = """
def compute_reward(state, action, next_state):
    up = next_state.pole_angle_cosine
    return up, {"up": up}
"""


def _row(
    name: str, fitness: float, decision: str = "race", of: str = "", tau: float | None = 0.0
) -> dict[str, object]:
    return {
        "name": name,
        "fitness": fitness,
        "decision": decision,
        "duplicate_of": of,
        "tau": tau,
    }


def test_duplicates_pay_what_they_should() -> None:
    assert "return (7.0 * up, {'up': up})" in rescaled(REWARD)
    text = shaped(REWARD, "torch.tanh({}.cart_position)", 0.9)
    assert "0.9 * (1.0 - next_state.terminated.float()) * torch.tanh(next_state.cart_pos" in text
    assert "- torch.tanh(state.cart_position)" in text


def test_a_duplicate_of_a_trained_reward_is_not_lost() -> None:
    rows = [
        _row("a", 4.0),
        _row("b", 3.0, "duplicate", of="a"),
        _row("c", 2.0, "sign_error"),
        _row("d", 1.0, "duplicate", of="c"),
        _row("e", 0.0, "accepted"),
    ]
    assert [row["name"] for row in discarded(rows)] == ["c", "d"]


def test_the_best_quarter_is_by_trained_fitness() -> None:
    rows = [_row(name, float(place)) for place, name in enumerate("abcdefgh")]
    assert [row["name"] for row in best_quarter(rows)] == ["h", "g"]


def test_who_ties_with_the_rest_is_not_of_the_best_quarter() -> None:
    rows = [_row(name, 0.0) for name in "abcdefghij"] + [_row("few", 1.0), _row("two", 0.5)]
    assert [row["name"] for row in best_quarter(rows)] == ["few", "two"]


def test_correlation_is_of_ranks_and_leaves_out_what_is_unknown() -> None:
    rows = [_row(str(i), float(i), tau=float(i) ** 3) for i in range(8)]
    rows.append(_row("unknown", 0.0, tau=None))
    found = correlation(rows, "tau")
    assert found["rewards"] == 8
    assert found["spearman"] == pytest.approx(1.0)
    assert found["interval"] == pytest.approx([1.0, 1.0])
    assert correlation(rows[:2], "tau")["spearman"] is None
