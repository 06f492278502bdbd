"""Who goes on to the next rung."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rewardgen.racing import fields, survivors, wildcards


def test_the_better_half_goes_on_best_first() -> None:
    scores = {"a": 0.1, "b": 0.4, "c": 0.3, "d": 0.2}
    assert survivors(scores, 0.5) == ["b", "c"]


def test_an_odd_field_is_rounded_up() -> None:
    assert survivors({"a": 1.0, "b": 2.0, "c": 3.0}, 0.5) == ["c", "b"]


def test_nobody_is_pruned_while_all_scores_tie() -> None:
    assert sorted(survivors({"a": 0.0, "b": 0.0, "c": 0.0, "d": 0.0}, 0.25)) == list("abcd")


def test_ties_at_the_cut_go_on() -> None:
    scores = {"a": 3.0, "b": 1.0, "c": 1.0, "d": 0.0}
    assert survivors(scores, 0.5) == ["a", "b", "c"]


def test_one_candidate_always_goes_on() -> None:
    assert survivors({"a": -5.0, "b": -6.0}, 0.01) == ["a"]
    assert survivors({}, 0.5) == []


@given(
    st.dictionaries(st.text("abcdef", min_size=1), st.floats(-10, 10), min_size=1, max_size=12),
    st.floats(0.05, 1.0),
)
def test_nobody_who_stays_behind_is_better_than_who_goes_on(
    scores: dict[str, float], keep: float
) -> None:
    going_on = survivors(scores, keep)
    behind = set(scores) - set(going_on)
    assert len(going_on) >= max(1, keep * len(scores) - 1e-9)
    assert all(scores[b] < min(scores[g] for g in going_on) for b in behind)


def test_a_race_is_over_when_one_is_left() -> None:
    assert fields(16, 3, 0.5) == [16, 8, 4]
    assert fields(16, 12, 0.25) == [16, 4]
    assert fields(2, 3, 0.5) == [2]


def test_who_starts_alone_trains_through_all_rungs() -> None:
    assert fields(1, 3, 0.5) == [1, 1, 1]


def test_a_share_of_all_that_ever_ran_the_rung() -> None:
    now = {"a": 0.5, "b": 0.3, "c": 0.1, "d": 0.0}
    assert survivors(now, 0.5, pool=[0.4, 0.45, 0.6, 0.2]) == ["a"]  # the cut is 0.4
    assert survivors(now, 0.5, pool=[0.0, 0.0, 0.0, 0.0]) == ["a", "b", "c", "d"]
    assert survivors(now, 0.5, pool=[-1.0, -1.0]) == ["a", "b", "c"]


def test_the_best_of_a_weak_iteration_goes_on() -> None:
    assert survivors({"a": 0.1, "b": 0.2}, 0.5, pool=[1.0, 2.0, 3.0]) == ["b"]


def test_nobody_is_pruned_while_all_tie_with_all_before() -> None:
    assert survivors({"a": 0.0, "b": 0.0}, 0.5, pool=[0.0, 0.0]) == ["a", "b"]


def test_wildcards_are_who_gained_most_of_those_left_behind() -> None:
    before = {"a": 0.5, "b": 0.4, "c": 0.3, "d": 0.0}
    now = {"a": 0.6, "b": 0.5, "c": 0.3, "d": 0.2}
    going_on = survivors(now, 0.5)
    assert going_on == ["a", "b"]
    assert wildcards(now, before, going_on, 1) == ["d"]
    assert wildcards(now, before, going_on, 5) == ["d", "c"]
    assert wildcards(now, before, going_on, 0) == []


def test_after_the_first_rung_the_wildcard_is_the_best_left_behind() -> None:
    now = {"a": 0.6, "b": 0.5, "c": 0.3, "d": 0.2}
    assert wildcards(now, {}, survivors(now, 0.5), 1) == ["c"]


def test_a_field_with_wildcards() -> None:
    assert fields(24, 8, 0.5, wildcards=1) == [24, 13, 8, 5, 4, 3, 3, 3]
    assert fields(2, 3, 0.5, wildcards=1) == [2, 2, 2]
