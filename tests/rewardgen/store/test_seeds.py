from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardgen.store.seeds import Purpose, derive_seed, derive_seeds

purposes = st.sampled_from(Purpose)
small = st.integers(0, 1000)


def test_a_seed_never_changes() -> None:
    assert derive_seed(0, Purpose.DESIGN) == 1313487795396128
    assert (
        derive_seed(7, Purpose.SEARCH_TRAINING, iteration=2, slot=3, attempt=1, index=1)
        == 8509692052299378
    )


@given(st.integers(0, 2**63 - 1), purposes, small, small)
def test_seeds_fit_into_every_json_reader(
    run_seed: int, purpose: Purpose, iteration: int, slot: int
) -> None:
    seed = derive_seed(run_seed, purpose, iteration=iteration, slot=slot)
    assert 0 <= seed < 2**53
    assert float(seed) == seed


@given(small, small, purposes, purposes, small, small)
def test_purposes_never_share_a_seed(
    a: int, b: int, first: Purpose, second: Purpose, slot: int, rung: int
) -> None:
    if first != second:
        assert derive_seed(a, first, slot=slot) != derive_seed(b, second, rung=rung)


def test_every_place_counts() -> None:
    seeds = {
        derive_seed(0, Purpose.SEARCH_TRAINING),
        derive_seed(1, Purpose.SEARCH_TRAINING),
        derive_seed(0, Purpose.SEARCH_TRAINING, iteration=1),
        derive_seed(0, Purpose.SEARCH_TRAINING, slot=1),
        derive_seed(0, Purpose.SEARCH_TRAINING, attempt=1),
        derive_seed(0, Purpose.SEARCH_TRAINING, rung=1),
        derive_seed(0, Purpose.SEARCH_TRAINING, index=1),
    }
    assert len(seeds) == 7


def test_seeds_of_a_large_run_are_distinct() -> None:
    seeds = [
        seed
        for iteration in range(20)
        for slot in range(100)
        for seed in derive_seeds(3, Purpose.SEARCH_TRAINING, 5, iteration=iteration, slot=slot)
    ]
    assert len(set(seeds)) == len(seeds)


def test_a_longer_list_starts_with_the_shorter_one() -> None:
    few = derive_seeds(3, Purpose.TRIAL_EVALUATION, 3, rung=2)
    assert derive_seeds(3, Purpose.TRIAL_EVALUATION, 9, rung=2)[:3] == few


@pytest.mark.parametrize("place", ["run_seed", "iteration", "slot", "attempt", "rung", "index"])
def test_negative_numbers_are_refused(place: str) -> None:
    arguments = {"run_seed": 0, place: -1}
    run_seed = arguments.pop("run_seed")
    with pytest.raises(ValueError, match=f"{place} must not be negative"):
        derive_seed(run_seed, Purpose.DESIGN, **arguments)
