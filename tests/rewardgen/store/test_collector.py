"""Python's search for garbage: off while much is made, and then spared what stays."""

from __future__ import annotations

import gc
from collections.abc import Generator

import pytest

from rewardgen.store.collector import no_collection


@pytest.fixture(autouse=True)
def as_before() -> Generator[None]:
    yield
    gc.unfreeze()
    gc.enable()


def test_what_was_made_in_numbers_is_left_out_of_later_searches() -> None:
    before = gc.get_freeze_count()
    with no_collection():
        assert not gc.isenabled()
        made: list[list[int]] = [[] for _ in range(100_000)]
    assert gc.isenabled()
    assert gc.get_freeze_count() - before >= len(made)


def test_a_little_is_searched_as_always() -> None:
    gc.collect()
    before = gc.get_freeze_count()
    with no_collection():
        made: list[list[int]] = [[] for _ in range(1_000)]
    assert gc.get_freeze_count() == before
    assert len(made) == 1_000


def test_a_caller_who_switched_it_off_keeps_it_off() -> None:
    gc.disable()
    with no_collection():
        pass
    assert not gc.isenabled()


def test_it_is_on_again_after_an_error() -> None:
    with pytest.raises(ValueError, match="torn"), no_collection():
        raise ValueError("torn")
    assert gc.isenabled()
