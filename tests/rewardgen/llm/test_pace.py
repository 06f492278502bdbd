from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardgen.llm.pace import Gate, backoff_s, requested_pause_s
from tests.rewardgen.llm.asking import FakeTime


@pytest.mark.parametrize(
    ("headers", "pause_s"),
    [
        ({}, None),
        ({"retry-after": "12"}, 12.0),
        ({"retry-after": " 12 "}, 12.0),
        ({"retry-after": "-1"}, 0.0),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "a while"}, None),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "x", "retry-after": "9"}, 9.0),
        # a date: 1,000,000,000 s after the epoch, now 30 s before it
        ({"retry-after": "Sun, 09 Sep 2001 01:46:40 GMT"}, 30.0),
        # two minutes after what the server takes for now
        (
            {
                "retry-after": "Sun, 09 Sep 2001 05:02:00 GMT",
                "date": "Sun, 09 Sep 2001 05:00:00 GMT",
            },
            120.0,
        ),
        ({"retry-after": "Sun, 09 Sep 2001 01:46:40 GMT", "date": "today"}, 30.0),
        ({"retry-after": "Sun, 09 Sep 1999 01:46:40 GMT"}, 0.0),
        ({"retry-after": "Sun, 99 Sep 2001 01:46:40 GMT"}, None),
    ],
)
def test_requested_pause(headers: dict[str, str], pause_s: float | None) -> None:
    assert requested_pause_s(headers, now=1e9 - 30.0) == pause_s


@settings(deadline=None)
@given(st.text(), st.text())
def test_no_header_is_a_crash(after: str, date: str) -> None:
    pause_s = requested_pause_s({"retry-after": after, "date": date}, now=0.0)
    assert pause_s is None or pause_s >= 0.0


@settings(deadline=None)
@given(st.integers(1, 10_000), st.text())
def test_backoff_doubles_up_to_a_minute_and_repeats(failures: int, place: str) -> None:
    longest = min(60.0, 2.0 ** min(failures - 1, 10))
    assert longest / 2 <= backoff_s(failures, place) <= longest
    assert backoff_s(failures, place) == backoff_s(failures, place)


def test_gate_holds_everybody_back_until_its_time() -> None:
    time = FakeTime()
    gate = Gate(time.clock, time.sleep, print)
    passed: list[float] = []

    async def call() -> None:
        await gate.passed()
        passed.append(time.now)

    async def calls() -> None:
        await call()
        gate.close(3600.0, "asked to")
        await asyncio.gather(call(), call(), call())

    asyncio.run(calls())
    assert passed == [0.0, 3600.0, 3600.0, 3600.0]


def test_calls_refused_side_by_side_close_it_once() -> None:
    time, said = FakeTime(), list[str]()
    gate = Gate(time.clock, time.sleep, said.append)
    for arrival_s in (0.0, 0.2, 0.4):
        time.now = arrival_s
        gate.close(20.0, "busy")
    assert said == ["busy: sending nothing for 20 s"]
    assert gate.closings == 1
    asyncio.run(gate.passed())
    assert time.now == pytest.approx(20.4)


def test_much_longer_wish_of_a_call_in_flight_is_told_too() -> None:
    time, said = FakeTime(), list[str]()
    gate = Gate(time.clock, time.sleep, said.append)
    gate.close(1.0, "busy")
    gate.close(3600.0, "busy")
    gate.close(5.0, "busy")
    assert said == ["busy: sending nothing for 1 s", "busy: sending nothing for 3,600 s"]
    asyncio.run(gate.passed())
    assert time.now == 3600.0


def test_closings_in_a_row_are_counted_until_a_reply() -> None:
    time = FakeTime()
    gate = Gate(time.clock, time.sleep, print)
    for _ in range(3):
        gate.close(1.0, "busy")
        asyncio.run(gate.passed())
    assert gate.closings == 3
    gate.opened()
    assert gate.closings == 0
