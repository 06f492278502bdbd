"""Keeps the cost below a cap while several calls are in flight.

Before a call the most that it can cost is set aside; afterwards what it did cost takes that
place. A call that broke off may have been charged all the same: what was set aside for it counts
as spent until the reply to its repetition is recorded with it.
"""

from __future__ import annotations

import asyncio

from rewardgen.llm.errors import CostCapError, EndpointDownError, EndpointError

_ROUNDING_USD = 1e-9


class Ledger:
    """What was spent, may have been spent, and is set aside, in USD.

    Args:
        cap_usd: the cap, or None.
    """

    def __init__(self, cap_usd: float | None) -> None:
        self._cap_usd = cap_usd
        self._spent = 0.0
        self._lost = 0.0
        self._set_aside = 0.0
        self._in_flight = 0
        self._changed = asyncio.Event()

    @property
    def spent_usd(self) -> float:
        """What is recorded as spent."""
        return self._spent

    @property
    def committed_usd(self) -> float:
        """The most that can have been spent once all calls in flight are through."""
        return self._spent + self._lost + self._set_aside

    def begin(self, spent_usd: float) -> None:
        """Start a round of calls.

        Args:
            spent_usd: what is recorded as spent so far.
        """
        self._spent = spent_usd
        self._set_aside = 0.0
        self._in_flight = 0
        self._changed = asyncio.Event()

    async def reserve(self, at_most_usd: float) -> None:
        """Set aside what a call may cost, as soon as that fits.

        Raises:
            CostCapError: it does not fit, and no call in flight could make room.
            EndpointDownError: the same, and it would fit if no call had broken off: it is the
                endpoint that is in the way.
        """
        while not self._fits(at_most_usd):
            if not self._in_flight:
                raise self._refusal(at_most_usd)
            self._changed.clear()
            await self._changed.wait()
        self._in_flight += 1
        self._set_aside += at_most_usd

    def settle(self, reserved_usd: float, spent_usd: float, lost_usd: float = 0.0) -> None:
        """Replace what was set aside for a call by its cost.

        Args:
            reserved_usd: what was set aside.
            spent_usd: what it cost, earlier attempts that broke off included.
            lost_usd: how much of that those attempts are.
        """
        self._spent += spent_usd
        self._lost -= lost_usd
        self._release(reserved_usd)

    def lose(self, reserved_usd: float) -> None:
        """Take note that a call broke off and may have been charged."""
        self._lost += reserved_usd
        self._release(reserved_usd)

    def _release(self, reserved_usd: float) -> None:
        self._in_flight -= 1
        # a sum of floats that returns to nothing must not leave a crumb
        self._set_aside = self._set_aside - reserved_usd if self._in_flight else 0.0
        self._changed.set()

    def _fits(self, usd: float) -> bool:
        return self._cap_usd is None or self.committed_usd + usd <= self._cap_usd + _ROUNDING_USD

    def _refusal(self, usd: float) -> EndpointError:
        """Return why a call is not sent, calls in flight there are none."""
        if self._fits(usd - self._lost):
            return EndpointDownError(
                f"calls broke off that may have been charged up to ${self._lost:.4f}, which leaves "
                f"no room under the cap of ${self._cap_usd:g} to try again"
            )
        return CostCapError(self._explain(usd))

    def _explain(self, usd: float) -> str:
        left = max(0.0, (self._cap_usd or 0.0) - self.committed_usd)
        lost = f" and ${self._lost:.4f} for calls that broke off" if self._lost > 0 else ""
        return (
            f"the next call may cost ${usd:.4f}, but only ${left:.4f} of the cap of "
            f"${self._cap_usd:g} is left after ${self._spent:.4f} spent{lost}. Nothing more was "
            "sent. Another run with a higher --max-cost-usd takes the replies that are there and "
            "pays for the rest alone"
        )
