"""What is decided of a reward: near 0 and near 1 only, and never in between."""

from __future__ import annotations

import pytest

from rewardgen.compare.verdicts import Evidence, Pair, decide, duplicate_below, kept
from rewardgen.store.compare_records import Decision


def evidence(
    distance: float | None = 0.5,
    *,
    floor: float = 0.0,
    second: float | None = None,
    second_floor: float = 0.0,
    auc: float | None = None,
    constant: bool = False,
) -> Evidence:
    other = distance if second is None else second
    pair = Pair(distance, floor, other, second_floor)
    return Evidence("mine", constant, {"human": pair}, "human", auc)


@pytest.mark.parametrize(
    ("given", "decision"),
    [
        (evidence(0.04), "duplicate"),
        (evidence(0.06), "race"),
        (evidence(0.06, floor=0.07, second=0.06, second_floor=0.07), "duplicate"),
        # one of two estimators is not enough
        (evidence(0.04, second=0.06), "race"),
        (evidence(0.04, second=0.06, second_floor=0.1), "duplicate"),
        # a floor that is too high makes no duplicate of what is told apart from 0.1 on
        (evidence(0.11, floor=0.4, second=0.11, second_floor=0.4), "race"),
        (evidence(0.89), "race"),
        (evidence(0.91), "sign_error"),
        (evidence(0.91, second=0.85), "race"),
        (evidence(0.5, auc=0.79), "misranks"),
        (evidence(0.5, auc=0.8), "race"),
        (evidence(None), "race"),
        (evidence(None, constant=True), "constant"),
        (evidence(0.95, auc=0.1), "sign_error"),
        (evidence(0.04, auc=0.1), "duplicate"),
    ],
)
def test_decisions(given: Evidence, decision: Decision) -> None:
    assert decide(given).decision == decision


@pytest.mark.parametrize("tenths", range(1, 10))
def test_nothing_in_between_is_held_back_for_its_distance(tenths: int) -> None:
    for floor in (0.0, 0.05, 0.3, 1.0):
        between = min(max(tenths / 10, 0.1001), 0.8999)
        given = evidence(between, floor=floor, second_floor=floor)
        assert decide(given).decision == "race"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (evidence(0.5), "nothing speaks against training it"),
        (evidence(None), "almost pure shaping"),
        (evidence(0.04, second=0.06), "near human, d = 0.040, by MIN-L2 it is not, d = 0.060"),
    ],
)
def test_why_a_reward_is_trained(given: Evidence, said: str) -> None:
    assert said in decide(given).reason


def test_of_two_equals_the_nearest_is_named() -> None:
    pairs = {"far": Pair(0.04, 0.0, 0.04, 0.0), "near": Pair(0.01, 0.0, 0.01, 0.0)}
    verdict = decide(Evidence("mine", False, pairs, None, None))
    assert verdict.duplicate_of == "near"
    assert "d = 0.010" in verdict.reason


def test_duplicates_and_constants_are_nothing_to_be_a_duplicate_of() -> None:
    verdicts = [decide(evidence(0.5)), decide(evidence(0.01)), decide(evidence(constant=True))]
    assert kept(["a", "b", "c"], verdicts) == ["a"]


def test_what_is_not_trained_is_nothing_to_be_a_duplicate_of() -> None:
    verdicts = [decide(evidence(0.95)), decide(evidence(0.5, auc=0.1)), decide(evidence(0.5))]
    assert kept(["sign", "ranks", "trained"], verdicts) == ["trained"]


def test_below_which_distance_two_are_one() -> None:
    assert [duplicate_below(floor) for floor in (0.0, 0.07, 0.5)] == [0.05, 0.07, 0.1]
