"""What a run came to, in every way it can end."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rewardgen.report import numbers
from rewardgen.report.outcome import (
    HUMAN,
    WINNER,
    against,
    ancestors,
    arm,
    failures,
    is_scored,
    outcome,
    ranking,
    reference,
    runs,
    standing,
)
from rewardgen.store.records import ShowRecord
from rewardgen.store.run_directory import RunSnapshot
from rewardgen.store.show import show_record


def test_a_separated_difference_is_a_win(example_record: ShowRecord) -> None:
    result = outcome(example_record)
    assert result.kind == "better"
    assert result.headline == "Candidate 2.5 beat the human-written reward"
    winner = arm(example_record, WINNER)
    assert winner is not None
    assert numbers.number(winner.iqm) in result.sentence
    assert numbers.interval(winner.interval) in result.sentence
    assert "10 fresh seeds" in result.sentence


@pytest.mark.parametrize(
    ("advantage", "kind", "headline"),
    [
        (0.14, "level", "Nothing beat the human-written reward beyond chance"),
        (0.36, "worse", "Nothing beat the human-written reward"),
    ],
)
def test_anything_else_is_no_win(
    write_example: Callable[..., RunSnapshot], advantage: float, kind: str, headline: str
) -> None:
    result = outcome(show_record(write_example(human_advantage=advantage)))
    assert (result.kind, result.headline) == (kind, headline)


def test_lower_may_be_better(example_record: ShowRecord) -> None:
    winner = arm(example_record, WINNER)
    assert winner is not None
    improvement = against(winner, HUMAN)
    assert improvement is not None
    metric = ranking(example_record)
    lower = metric.model_copy(update={"direction": "lower"})
    assert standing(improvement, metric) == "better"
    assert standing(improvement, lower) == "worse"
    unknown = improvement.model_copy(update={"difference_interval": None})
    assert standing(unknown, metric) == "level"


def test_an_interrupted_search_promises_nothing(
    write_example: Callable[..., RunSnapshot],
) -> None:
    record = show_record(write_example(iterations=2))
    result = outcome(record)
    assert result.kind == "unconfirmed"
    assert "leads" in result.headline
    assert "optimistic" in result.sentence


def test_a_search_that_has_not_begun_has_no_result(
    write_example: Callable[..., RunSnapshot],
) -> None:
    result = outcome(show_record(write_example(iterations=0)))
    assert (result.headline, result.sentence) == (
        "No result yet",
        "Candidates so far: none proposed.",
    )


def test_a_search_without_a_winner_says_why(example_record: ShowRecord) -> None:
    record = example_record.model_copy(
        update={
            "winner": None,
            "iterations": (),
            "arms": example_record.arms[1:],
            "candidates": tuple(
                c.model_copy(update={"state": "rejected"}) for c in example_record.candidates[:3]
            ),
        }
    )
    result = outcome(record)
    assert result.kind == "nothing"
    assert result.sentence == "No candidate could be trained: 3 rejected."


def test_a_training_lists_its_arms(example_record: ShowRecord) -> None:
    record = example_record.model_copy(update={"verb": "train"})
    result = outcome(record)
    assert result.headline == "Trained: winner, human and sparse"
    assert "sparse 0.126" in result.sentence
    untrained = record.model_copy(update={"arms": ()})
    assert outcome(untrained).kind == "unconfirmed"
    unscored = tuple(arm.model_copy(update={"iqm": None}) for arm in record.arms)
    assert outcome(record.model_copy(update={"arms": unscored})).kind == "nothing"


def test_the_reference_is_human_where_there_is_one(example_record: ShowRecord) -> None:
    assert reference(example_record.arms) == "human"
    sparse_only = tuple(
        a.model_copy(update={"improvements": a.improvements[1:]}) for a in example_record.arms
    )
    assert reference(sparse_only) == "sparse"
    assert reference(()) is None


def test_failed_runs_are_counted(example_record: ShowRecord) -> None:
    winner = example_record.arms[0]
    assert runs(winner) == "10"
    failed = winner.members[0].model_copy(update={"fitness": (), "failure": "NaN"})
    most = winner.model_copy(update={"members": (failed, *winner.members[1:])})
    assert runs(most) == "9 of 10"
    assert failures(most) == ["winner: 1 of 10 runs failed: NaN"]
    assert is_scored(most)
    assert not is_scored(winner.model_copy(update={"members": (failed, failed)}))


def test_lineage_goes_back_to_the_roots(example_record: ShowRecord) -> None:
    assert [c.id for c in ancestors(example_record, "2.5")] == ["2.5", "1.4", "1.2", "0.5", "0.3"]
    assert [c.id for c in ancestors(example_record, "0.0")] == ["0.0"]
    assert ancestors(example_record, "unknown") == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.12345, "0.123"),
        (1.2345, "1.23"),
        (-12.345, "-12.3"),
        (123.45, "123"),
        (1234.5, "1234"),
        (1e-5, "1.00e-05"),
        (2.5e6, "2.50e+06"),
        (None, "-"),
        (float("nan"), "-"),
    ],
)
def test_numbers_have_three_digits(value: float | None, text: str) -> None:
    assert numbers.number(value) == text


def test_numbers_in_sentences() -> None:
    assert numbers.signed(0.5) == "+0.500"
    assert numbers.signed(-0.5) == "-0.500"
    assert numbers.interval((-1.0, 2.0), with_sign=True) == "[-1.00, +2.00]"
    assert numbers.interval(None) == "-"
    assert numbers.percent_interval((0.801, 1.0)) == "[80, 100] %"
    assert [numbers.count(n) for n in (950, 12_300, 4_100_000, 2e9)] == [
        "950",
        "12.3 k",
        "4.1 M",
        "2 G",
    ]
    assert [numbers.duration(s) for s in (42.4, 252, 11_100)] == [
        "42 s",
        "4 min 12 s",
        "3 h 05 min",
    ]
    assert numbers.listed(["a"]) == "a"
    assert numbers.listed(["a", "b", "c"]) == "a, b and c"
    assert numbers.listed([]) == ""
    assert numbers.unit("m/s") == " m/s"
    assert numbers.unit("1") == ""
