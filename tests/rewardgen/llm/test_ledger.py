"""The cap holds, for any calls, any order of settling, and whatever breaks off."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardgen.llm.errors import CostCapError, EndpointDownError
from rewardgen.llm.ledger import Ledger

USD = st.floats(0.0, 2.0)
# (most it can cost, share of that it does cost, how often it breaks off before)
CALLS = st.lists(st.tuples(USD, st.floats(0.0, 1.0), st.integers(0, 2)), max_size=12)


@settings(deadline=None)
@given(cap=st.floats(0.01, 5.0), calls=CALLS, before=USD, seed=st.integers(0, 2**32))
def test_spent_never_exceeds_the_cap(
    cap: float, calls: list[tuple[float, float, int]], before: float, seed: int
) -> None:
    ledger, order = Ledger(cap), random.Random(seed)
    charged = before  # what the provider may bill, which nobody asks the ledger about
    highest = before

    async def call(at_most: float, share: float, breaks: int) -> None:
        nonlocal charged, highest
        lost = 0.0
        for attempt in range(breaks + 1):
            await ledger.reserve(at_most)
            charged += at_most * share
            highest = max(highest, charged)
            for _ in range(order.randrange(4)):
                await asyncio.sleep(0)
            if attempt < breaks:
                ledger.lose(at_most)
                lost += at_most
            else:
                ledger.settle(at_most, at_most * share + lost, lost)

    async def everything() -> list[BaseException | None]:
        tasks = [asyncio.create_task(call(*given)) for given in calls]
        return await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10.0)

    ledger.begin(before)
    results = asyncio.run(everything())
    assert highest <= max(before, cap + 1e-6)
    assert charged <= ledger.committed_usd + 1e-9
    assert ledger.committed_usd <= max(before, cap + 1e-6)
    assert {type(result) for result in results} <= {type(None), CostCapError, EndpointDownError}


@settings(deadline=None)
@given(calls=CALLS)
def test_without_a_cap_everything_goes_at_once(calls: list[tuple[float, float, int]]) -> None:
    async def everything() -> None:
        for at_most, _, _ in calls:
            await asyncio.wait_for(ledger.reserve(at_most), 10.0)

    ledger = Ledger(None)
    asyncio.run(everything())
    assert ledger.committed_usd == pytest.approx(sum(at_most for at_most, _, _ in calls))


def test_a_call_waits_for_room_that_others_may_make() -> None:
    """Cap 1.00: a call of up to 0.60 is in flight, one of 0.70 waits until it cost only 0.20."""

    async def story() -> None:
        ledger.begin(0.0)
        await ledger.reserve(0.6)
        second = asyncio.create_task(ledger.reserve(0.7))
        await asyncio.sleep(0)
        assert not second.done()
        ledger.settle(0.6, 0.2)
        await second
        ledger.settle(0.7, 0.7)

    ledger = Ledger(1.0)
    asyncio.run(story())
    assert ledger.spent_usd == pytest.approx(0.9)


def test_a_call_without_hope_is_refused_when_the_last_in_flight_is_settled() -> None:
    """The same, but the first did cost 0.50."""

    async def story() -> None:
        ledger.begin(0.0)
        await ledger.reserve(0.6)
        second = asyncio.create_task(ledger.reserve(0.7))
        await asyncio.sleep(0)
        ledger.settle(0.6, 0.5)
        with pytest.raises(CostCapError, match=r"may cost \$0.7000, but only \$0.5000 of the cap"):
            await second

    ledger = Ledger(1.0)
    asyncio.run(story())


def test_where_calls_that_broke_off_take_the_room_the_endpoint_is_to_blame() -> None:
    """Cap 1.00: 0.30 spent, 0.60 lost. 0.40 would fit without the loss; 0.80 would not."""

    async def story() -> None:
        ledger.begin(0.3)
        await ledger.reserve(0.6)
        ledger.lose(0.6)
        with pytest.raises(EndpointDownError, match=r"charged up to \$0.6000"):
            await ledger.reserve(0.4)
        with pytest.raises(CostCapError, match=r"and \$0.6000 for calls that broke off"):
            await ledger.reserve(0.8)

    ledger = Ledger(1.0)
    asyncio.run(story())


def test_exactly_the_cap_fits() -> None:
    async def story() -> None:
        ledger.begin(0.0)
        for _ in range(10):
            await ledger.reserve(0.1)

    ledger = Ledger(1.0)
    asyncio.run(story())


def test_what_broke_off_counts_until_the_reply_to_its_repetition_does() -> None:
    async def story() -> None:
        ledger.begin(0.25)
        await ledger.reserve(0.5)
        ledger.lose(0.5)
        assert (ledger.spent_usd, ledger.committed_usd) == (0.25, 0.75)
        await ledger.reserve(0.5)
        ledger.settle(0.5, 0.125 + 0.5, 0.5)

    ledger = Ledger(2.0)
    asyncio.run(story())
    assert (ledger.spent_usd, ledger.committed_usd) == (0.875, 0.875)
