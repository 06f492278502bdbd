"""One call: sent, repeated as long as that helps, and paid for once."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from rewardgen.llm.advice import explain, explain_down, explain_missing_model
from rewardgen.llm.completions import Completion, TokenCounts
from rewardgen.llm.costs import estimate_tokens, most_tokens
from rewardgen.llm.errors import (
    EndpointDownError,
    EndpointError,
    ModelNotFoundError,
    RequestRefusedError,
)
from rewardgen.llm.faults import Fault, Passing, Unsupported
from rewardgen.llm.ledger import Ledger
from rewardgen.llm.messages import Reply, Request
from rewardgen.llm.pace import Gate, backoff_s
from rewardgen.llm.parameters import NEW_LIMIT, OLD_LIMIT, Parameters
from rewardgen.llm.prices import Price
from rewardgen.llm.settings import EndpointSettings
from rewardgen.llm.transport import Transport

_MOST_PAUSES = 20  # that the endpoint asked for in a row, without a reply in between


@dataclass(eq=False)
class Call:
    """A request on its way to its reply.

    Attributes:
        key: of the request.
        request: what is asked.
        attempts: how often it was sent.
        failures: faults of its own so far; a limit of the rate is not one.
        lost_usd: what attempts that broke off may have cost.
        in_flight: whether it was sent, and what came back is not dealt with yet.
        reply: what came back.
    """

    key: str
    request: Request
    attempts: int = 0
    failures: int = 0
    lost_usd: float = 0.0
    in_flight: bool = False
    reply: Reply | None = None


class Caller:
    """Gets replies to calls, several at a time.

    Args:
        settings: whom to ask.
        price: what it costs, or None.
        transport: sends.
        parameters: what is sent beside the messages; shared by all calls.
        ledger: keeps the cap; shared by all calls.
        gate: holds calls back; shared by all calls.
        refused: makes durable that the endpoint refused a parameter.
        clock: seconds, never going back.
        sleep: waits for some seconds.
        say: tells people.
    """

    def __init__(
        self,
        settings: EndpointSettings,
        price: Price | None,
        transport: Transport,
        parameters: Parameters,
        ledger: Ledger,
        gate: Gate,
        *,
        refused: Callable[[str], Awaitable[None]],
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        say: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._price = price
        self._transport = transport
        self._parameters = parameters
        self._ledger = ledger
        self._gate = gate
        self._refused = refused
        self._clock = clock
        self._sleep = sleep
        self._say = say
        self._slots = asyncio.Semaphore(settings.concurrency)
        self._told: set[str] = set()
        self._stopping = False

    async def see_through(self, call: Call, keep: Callable[[Reply], Awaitable[None]]) -> None:
        """Send a call until it has its reply, or another call failed for good.

        Args:
            call: what to ask.
            keep: makes a reply durable.

        Raises:
            EndpointError: it cannot have a reply.
        """
        async with self._slots:
            try:
                while call.reply is None and not self._stopping:
                    await self._try(call, keep)
            except BaseException:
                # at once: the slot goes to the next call before anybody hears of this
                self._stopping = True
                raise

    async def _try(self, call: Call, keep: Callable[[Reply], Awaitable[None]]) -> None:
        """Send a call once, unless things changed while it waited, and deal with what comes."""
        parameters = self._parameters.current
        at_most_usd = self._at_most_usd(call.request, parameters)
        try:
            await self._ledger.reserve(at_most_usd)
        except EndpointDownError as error:
            raise explain(self._settings, error) from None
        fault = None
        try:
            await self._gate.passed()
            if parameters == self._parameters.current and not self._stopping:
                fault = await self._send(call, parameters, at_most_usd, keep)
        except BaseException:
            self._book(call, at_most_usd, charged=call.in_flight)
            raise
        self._book(call, at_most_usd, charged=isinstance(fault, Passing) and fault.charged)
        if fault is not None:
            await self._get_over(call, fault)

    async def _send(
        self,
        call: Call,
        parameters: Mapping[str, float | int],
        at_most_usd: float,
        keep: Callable[[Reply], Awaitable[None]],
    ) -> Fault | None:
        """Send a call once and keep its reply, or return what came instead."""
        call.in_flight = True
        call.attempts += 1
        started = self._clock()
        outcome = await self._transport.complete(call.request.messages, parameters)
        if not isinstance(outcome, Completion):
            return outcome
        reply = self._reply(call, outcome, at_most_usd, self._clock() - started)
        await keep(reply)
        call.reply = reply
        self._gate.opened()
        return None

    def _book(self, call: Call, reserved_usd: float, *, charged: bool) -> None:
        """Replace what was set aside by what a call cost, or may have cost."""
        call.in_flight = False
        if call.reply is not None:
            self._ledger.settle(reserved_usd, call.reply.cost_usd or 0.0, call.lost_usd)
        elif charged:
            self._ledger.lose(reserved_usd)
            call.lost_usd += reserved_usd
        else:
            self._ledger.settle(reserved_usd, 0.0)

    def _reply(
        self, call: Call, completion: Completion, at_most_usd: float, latency_s: float
    ) -> Reply:
        counts = completion.counts
        if counts is None:
            read = sum(estimate_tokens(message.content) for message in call.request.messages)
            counts = TokenCounts(read, estimate_tokens(completion.text))
        cost_usd = None
        if self._price is not None:
            cost_usd = self._price.cost_usd(
                counts.prompt, counts.completion, counts.cached_prompt, counts.written_prompt
            )
            if completion.counts is None:  # reasoning is charged, and not in the text
                cost_usd = max(cost_usd, at_most_usd)
            cost_usd += call.lost_usd
        return Reply(
            key=call.key,
            text=completion.text,
            finish=completion.finish,
            model=completion.model or self._settings.model,
            prompt_tokens=counts.prompt,
            completion_tokens=counts.completion,
            cached_prompt_tokens=counts.cached_prompt,
            written_prompt_tokens=counts.written_prompt,
            cost_usd=cost_usd,
            estimated=completion.counts is None or call.lost_usd > 0.0,
            latency_s=latency_s,
            attempts=call.attempts,
        )

    def _at_most_usd(self, request: Request, parameters: Mapping[str, float | int]) -> float:
        """Return what a call can cost at most.

        Raises:
            RequestRefusedError: that has no bound, and there is a cap.
        """
        if self._price is None:
            return 0.0
        longest = parameters.get(NEW_LIMIT, parameters.get(OLD_LIMIT, math.inf))
        if math.isfinite(longest) or not self._price.output:
            length = int(longest) if math.isfinite(longest) else 0
            return self._price.at_most_usd(most_tokens(request.messages), length)
        if self._settings.max_cost_usd is None:
            return 0.0
        reasons = self._parameters.why_no_limit
        why = f" ({reasons})" if reasons else ""
        raise explain(
            self._settings,
            RequestRefusedError(
                f"it took no limit on the length of replies{why}, so that --max-cost-usd "
                "cannot be kept. If the limit was too high, start a new run with a lower "
                "--max-completion-tokens; if it takes none, without the cap or at another endpoint"
            ),
        )

    async def _get_over(self, call: Call, fault: Fault) -> None:
        """Do what lets a call be repeated.

        Raises:
            EndpointError: nothing does.
        """
        match fault:
            case Unsupported(parameter, reason):
                instead = self._parameters.drop(parameter, reason)
                if instead is not None:
                    url = self._settings.url
                    self._say(f"{url} does not take {parameter}: {instead} ({reason})")
                    await self._refused(parameter)
            case Passing():
                if not self._stopping:
                    await self._pause(call, fault)
            case ModelNotFoundError():
                models = await self._transport.models()
                text = explain_missing_model(self._settings, str(fault), models)
                raise explain(self._settings, ModelNotFoundError(text))
            case EndpointError():
                raise explain(self._settings, fault)

    async def _pause(self, call: Call, fault: Passing) -> None:
        """Wait until a call may be repeated.

        Raises:
            EndpointDownError: it was repeated often enough.
        """
        url = self._settings.url
        if fault.limited or fault.pause_s:
            own_s = backoff_s(self._gate.closings + 1, call.key)
            self._gate.close(fault.pause_s or own_s, f"{url} asks to wait ({fault.reason})")
        if fault.limited:
            if self._gate.closings > _MOST_PAUSES:
                how_often = f"it asked to wait {_MOST_PAUSES} times in a row"
                raise explain_down(self._settings, how_often, fault.reason)
            return
        call.failures += 1
        if call.failures >= fault.tries:
            how_often = f"{call.failures} tries failed"
            raise explain_down(self._settings, how_often, fault.reason)
        self._say_once(f"{url}: {fault.reason}; trying again, up to {fault.tries} times")
        if not fault.pause_s:
            await self._sleep(backoff_s(call.failures, call.key))

    def _say_once(self, text: str) -> None:
        """Tell something that calls which fail side by side all have to tell."""
        if text not in self._told:
            self._told.add(text)
            self._say(text)
