"""When an endpoint may be asked again."""

from __future__ import annotations

import email.utils
import math
import random
from collections.abc import Awaitable, Callable, Mapping

_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 60.0


def backoff_s(failures: int, place: str) -> float:
    """Return how long to wait after some failures in a row: doubling, with jitter.

    Args:
        failures: how many, at least 1.
        place: what the jitter follows from, so that a repeated run waits the same.
    """
    longest = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(failures - 1, 30))
    return longest * random.Random(f"{place}/{failures}").uniform(0.5, 1.0)


def requested_pause_s(headers: Mapping[str, str], now: float) -> float | None:
    """Return how many seconds a server asks to wait; None if it does not, or not intelligibly.

    Args:
        headers: of the response, by lower-case name. ``retry-after-ms`` goes before
            ``retry-after``, which is in seconds or a date.
        now: seconds since the epoch, for dates where the server does not say its own time.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return max(0.0, milliseconds / 1000.0)
    wish = headers.get("retry-after")
    seconds = _number(wish)
    if seconds is None:
        until, sent = _date(wish), _date(headers.get("date"))
        if until is None:
            return None
        # against the server's own clock, as ours may be wrong
        seconds = until - (now if sent is None else sent)
    return max(0.0, seconds)


class Gate:
    """Holds back all calls for as long as the endpoint asked for.

    Args:
        clock: seconds, never going back.
        sleep: waits for some seconds.
        say: tells people.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        say: Callable[[str], None],
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._say = say
        self._until = -math.inf
        self._announced = -math.inf
        self.closings = 0  # in a row, without a reply in between

    async def passed(self) -> None:
        """Wait until calls may be sent."""
        while (wait := self._until - self._clock()) > 0.0:
            await self._sleep(wait)

    def close(self, seconds: float, why: str) -> None:
        """Send nothing for some seconds; what was in flight may prolong that."""
        now = self._clock()
        if self._until <= now:
            self.closings += 1
        self._until = max(self._until, now + seconds)
        # calls in flight are refused one by one, each asking for about the same
        if self._until > self._announced + 0.1 * seconds + 1.0:
            self._announced = self._until
            self._say(f"{why}: sending nothing for {seconds:,.0f} s")

    def opened(self) -> None:
        """Take note that the endpoint gave a reply."""
        self.closings = 0


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _date(text: str | None) -> float | None:
    try:
        return email.utils.parsedate_to_datetime(text or "").timestamp()
    except (ValueError, OverflowError):
        return None
