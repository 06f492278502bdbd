"""What errors say about a name that is not there."""

from __future__ import annotations

from rewardgen_envs.names import MANY, MOST_LISTED, nearest


def test_the_nearest_is_proposed_and_all_are_listed() -> None:
    assert nearest("hoper", ["hopper", "ant"]) == "; did you mean 'hopper'? Valid: ant, hopper"
    assert nearest("x", ["hopper", "ant"]) == ". Valid: ant, hopper"


def test_of_many_only_the_nearest_are_listed() -> None:
    names = [f"c{i}-1" for i in range(MANY + 1)]
    said = nearest("c60-2", names)
    assert said.startswith("; did you mean 'c60-1'? The nearest of 61: ")
    assert said.count(",") == MOST_LISTED - 1


def test_of_nothing_it_is_said_that_there_is_none() -> None:
    assert nearest("c1-1", []) == "; there is none"
