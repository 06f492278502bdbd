"""Sends one chat completion through the openai SDK; repeating is left to the caller."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self, cast

from openai import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AsyncOpenAI,
    Omit,
    OpenAIError,
    Timeout,
    omit,
)
from openai.types.chat import ChatCompletionMessageParam

from rewardgen.llm.completions import Completion, read_completion
from rewardgen.llm.errors import EndpointError
from rewardgen.llm.faults import (
    TRIES_WHEN_SLOW,
    Fault,
    Passing,
    Unsupported,
    excerpt,
    judge_refusal,
)
from rewardgen.llm.keys import EndpointKey
from rewardgen.llm.messages import Message
from rewardgen.llm.parameters import NEW_LIMIT, OLD_LIMIT, TEMPERATURE
from rewardgen.llm.settings import EndpointSettings

_CONNECT_S = 30.0
_MODELS_S = 30.0
_NOT_SENT = {"ConnectError", "ConnectTimeout", "PoolTimeout"}


class Transport:
    """Connections to an endpoint, for one event loop. Use it as an asynchronous context manager.

    Args:
        settings: the endpoint.
        key: its key.
        now: seconds since the epoch.
    """

    def __init__(
        self, settings: EndpointSettings, key: EndpointKey, now: Callable[[], float]
    ) -> None:
        self._settings = settings
        self._key = key
        self._now = now
        connect_s = min(_CONNECT_S, settings.timeout_s)
        self._client = AsyncOpenAI(
            api_key=key.reveal(),
            base_url=settings.url,
            # the SDK gives up at a Retry-After above two minutes
            max_retries=0,
            timeout=Timeout(settings.timeout_s, connect=connect_s),
        )

    async def complete(
        self, messages: Sequence[Message], parameters: Mapping[str, float | int]
    ) -> Completion | Fault:
        """Send a conversation once and return the reply, or what came instead.

        The key is blanked out, should the endpoint show it.

        Args:
            messages: the conversation.
            parameters: what else to send.
        """
        return self._redacted(await self._complete(messages, parameters))

    async def _complete(
        self, messages: Sequence[Message], parameters: Mapping[str, float | int]
    ) -> Completion | Fault:
        try:
            # the SDK's own limit is for each read, which a trickle of bytes never exceeds
            async with asyncio.timeout(self._settings.timeout_s):
                response = await self._client.chat.completions.with_raw_response.create(
                    model=self._settings.model,
                    messages=[_as_sent(message) for message in messages],
                    temperature=parameters.get(TEMPERATURE, omit),
                    max_completion_tokens=_whole(parameters.get(NEW_LIMIT)),
                    max_tokens=_whole(parameters.get(OLD_LIMIT)),
                )
        except TimeoutError:
            return self._too_slow()
        except APIStatusError as error:
            answer = error.response
            # before anything is cut off, which might leave most of a key
            said = self._key.redact(answer.text)
            return judge_refusal(answer.status_code, answer.headers, said, parameters, self._now())
        except APIConnectionError as error:
            return self._judge_connection(error)
        return read_completion(self._key.redact_bytes(response.http_response.content))

    async def models(self) -> list[str]:
        """Return the models that the endpoint says it has; none if it does not say."""
        try:
            async with asyncio.timeout(_MODELS_S):
                response = await self._client.models.with_raw_response.list()
            listed: Any = json.loads(response.http_response.content)
            entries = cast("list[Mapping[str, Any]]", listed["data"])
            names = [entry["id"] for entry in entries if isinstance(entry["id"], str)]
        except (TimeoutError, OpenAIError, ValueError, LookupError, TypeError):
            return []
        return [excerpt(self._key.redact(name)) for name in names]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._client.close()

    def _redacted(self, outcome: Completion | Fault) -> Completion | Fault:
        redact = self._key.redact
        match outcome:
            case Completion():
                model = None if outcome.model is None else redact(outcome.model)
                return replace(outcome, text=redact(outcome.text), model=model)
            case Passing() | Unsupported():
                return replace(outcome, reason=redact(outcome.reason))
            case EndpointError():
                return type(outcome)(redact(str(outcome)))

    def _judge_connection(self, error: APIConnectionError) -> Passing:
        cause = error.__cause__
        sent = type(cause).__name__ not in _NOT_SENT
        if sent and isinstance(error, APITimeoutError):
            return self._too_slow()
        what = "the connection broke off" if sent else "no connection"
        return Passing(f"{what} ({cause or error})", charged=sent)

    def _too_slow(self) -> Passing:
        reason = f"no complete reply within {self._settings.timeout_s:g} s"
        return Passing(reason, tries=TRIES_WHEN_SLOW, charged=True)


def _as_sent(message: Message) -> ChatCompletionMessageParam:
    match message.role:
        case "system":
            return {"role": "system", "content": message.content}
        case "user":
            return {"role": "user", "content": message.content}
        case "assistant":
            return {"role": "assistant", "content": message.content}


def _whole(limit: float | None) -> int | Omit:
    return omit if limit is None else int(limit)
