"""What is asked and what comes back."""

from __future__ import annotations

import hashlib
import json
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from rewardgen.llm.settings import EndpointSettings

Role = Literal["system", "user", "assistant"]
# stop: a whole reply. length: cut off at the longest allowed. refusal, content_filter: the model
# or its provider declined. empty: nothing was written.
Finish = Literal["stop", "length", "refusal", "content_filter", "empty"]


class Message(BaseModel):
    """One turn of a conversation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: Role
    content: str


class Request(BaseModel):
    """A conversation for which one reply is wanted.

    Attributes:
        messages: the conversation so far.
        sample: tells apart replies wanted to the same messages; equal requests are one request,
            and are paid for once.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    messages: tuple[Message, ...] = Field(min_length=1)
    sample: int = Field(default=0, ge=0)

    def key(self, settings: EndpointSettings, seed: int) -> str:
        """Return the sha256 of everything that the reply depends on, and of sample and seed."""
        content = {
            "base_url": settings.url,
            "max_completion_tokens": settings.max_completion_tokens,
            "messages": [[message.role, message.content] for message in self.messages],
            "model": settings.model,
            "sample": self.sample,
            "seed": seed,
            "temperature": settings.temperature,
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


class Reply(BaseModel):
    """What a model wrote, and what it took.

    Attributes:
        key: of the request.
        text: the reply; in a refusal the model's words, if it gave any.
        finish: why it ended.
        model: the model that answered, as the endpoint names it.
        prompt_tokens: tokens read.
        completion_tokens: tokens written, reasoning included.
        cached_prompt_tokens: those of the prompt that the provider had read before.
        written_prompt_tokens: those of the prompt that the provider keeps for later, where it
            charges for that.
        cost_usd: price of it and of earlier attempts that got no reply but may have been
            charged; None if the price is unknown, 0 if it comes from the cache.
        estimated: whether tokens or cost are an upper estimate, as the endpoint did not say.
        latency_s: seconds from sending the request to the whole reply.
        attempts: how often it was sent.
        cached: whether an earlier command paid for it.
    """

    # files of earlier versions have more fields, and were paid for
    model_config = ConfigDict(frozen=True, extra="ignore")

    key: str
    text: str
    finish: Finish
    model: str
    prompt_tokens: int
    completion_tokens: int
    cached_prompt_tokens: int = 0
    written_prompt_tokens: int = 0
    cost_usd: float | None
    estimated: bool = False
    latency_s: float
    attempts: int = 1
    cached: bool = False
