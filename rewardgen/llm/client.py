"""Asks a language model: in parallel, patiently, within a cap, and never twice for the same."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

from rewardgen.llm.calls import Call, Caller
from rewardgen.llm.keys import read_key
from rewardgen.llm.ledger import Ledger
from rewardgen.llm.loop import OnCaller, run_to_end
from rewardgen.llm.messages import Reply, Request
from rewardgen.llm.notebook import FileCache, Notebook
from rewardgen.llm.pace import Gate
from rewardgen.llm.parameters import Parameters
from rewardgen.llm.prices import price_of
from rewardgen.llm.settings import EndpointSettings
from rewardgen.llm.transport import Transport
from rewardgen.llm.usage import Usage


class Endpoint:
    """A model that can be asked.

    Args:
        settings: which model, where, at what cost.
        seed: part of what identifies a request; jitter follows from it too.
        notebook: keeps every reply before it is used; what it holds already is not asked again.
        say: tells people what is going on. Where an event loop runs already, another thread than
            the caller's may call it; never the notebook.
        cache: replies that other commands paid for, or None.
        clock: seconds, never going back.
        now: seconds since the epoch.
        sleep: waits for some seconds.

    Raises:
        KeyMissingError: there is no usable key.
        PriceError: the price is unknown, and nobody said that this is accepted.
    """

    def __init__(
        self,
        settings: EndpointSettings,
        *,
        seed: int,
        notebook: Notebook,
        say: Callable[[str], None],
        cache: FileCache | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._price = price_of(settings)
        self._key = read_key(settings)
        self._settings = settings
        self._seed = seed
        self._notebook = notebook
        self._cache = cache
        self._say = say
        self._clock = clock
        self._now = now
        self._sleep = sleep
        self._parameters = Parameters(settings)
        for name in notebook.dropped:
            self._parameters.drop(name)
        self._usage = Usage(cost_usd=None if self._price is None else 0.0)
        self._ledger = Ledger(settings.max_cost_usd)
        self._gate = Gate(clock, sleep, say)

    @property
    def usage(self) -> Usage:
        """Totals since this object was made."""
        return self._usage

    @property
    def dropped(self) -> tuple[str, ...]:
        """Parameters that the endpoint refused, and that are not sent any more."""
        return self._parameters.dropped

    def ask(self, requests: Sequence[Request]) -> list[Reply]:
        """Return the replies to some requests, in their order.

        Each is one call with one choice. A reply that was cut off, declined or empty is a reply
        too; see its ``finish``. Whatever came before an error or an interrupt is kept.

        Raises:
            ValueError: two requests are equal.
            CostCapError: the next call might exceed the cap.
            ContextLengthError: a prompt is too long.
            KeyRefusedError: the key is not, or no longer, valid.
            QuotaError: the account is used up.
            ModelNotFoundError: there is no such model or endpoint.
            RequestRefusedError: repeating will not help for another reason.
            EndpointDownError: repeating did not help.
            StoreError: a reply cannot be kept.
        """
        keys = [request.key(self._settings, self._seed) for request in requests]
        if len(set(keys)) < len(keys):
            raise ValueError("equal requests share one reply: tell them apart by their sample")
        calls = [Call(key, request) for key, request in zip(keys, requests, strict=True)]
        for call in calls:
            call.reply = self._look_up(call)
        missing = [call for call in calls if call.reply is None]
        if missing:
            self._ledger.begin(self._notebook.spent_usd)
            run_to_end(lambda on_caller: self._ask_all(missing, on_caller))
        return [call.reply for call in calls if call.reply is not None]

    def _look_up(self, call: Call) -> Reply | None:
        reply = self._notebook.find(call.key)
        if reply is None and self._cache is not None:
            found = self._cache.find(call.key)
            if found is not None:
                reply = found.model_copy(update={"cost_usd": 0.0, "cached": True})
                self._notebook.keep(call.key, call.request, reply)
        if reply is not None:
            self._usage = self._usage.with_reused()
        return reply

    def _keep(self, call: Call, reply: Reply) -> None:
        self._notebook.keep(call.key, call.request, reply)
        if self._cache is not None:
            self._cache.keep(call.key, call.request, reply)
        self._usage = self._usage.with_reply(reply)

    async def _ask_all(self, calls: Sequence[Call], on_caller: OnCaller) -> None:
        """See all calls through; after the first error, those in flight, and then raise it."""
        async with Transport(self._settings, self._key, self._now) as transport:
            caller = Caller(
                self._settings,
                self._price,
                transport,
                self._parameters,
                self._ledger,
                self._gate,
                refused=lambda name: on_caller(partial(self._notebook.drop, name)),
                clock=self._clock,
                sleep=self._sleep,
                say=self._say,
            )
            tasks = {
                asyncio.create_task(self._see_through(call, caller, on_caller)): call
                for call in calls
            }
            try:
                done, waiting = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
                if waiting:
                    await self._wind_up({task: tasks[task] for task in waiting})
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        for task in tasks:
            if task in done:
                task.result()

    async def _see_through(self, call: Call, caller: Caller, on_caller: OnCaller) -> None:
        async def keep(reply: Reply) -> None:
            await on_caller(partial(self._keep, call, reply))

        await caller.see_through(call, keep)

    async def _wind_up(self, tasks: Mapping[asyncio.Task[None], Call]) -> None:
        """Await what is in flight, as it is paid for; nothing else."""
        flying = sum(call.in_flight for call in tasks.values())
        if flying:
            self._say(f"{self._settings.url}: waiting for what is in flight ({flying})")
        for task, call in tasks.items():
            if not call.in_flight:
                task.cancel()
        await asyncio.wait(tasks)
