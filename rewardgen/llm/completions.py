"""Reads the body of a chat completion, whatever a compatible endpoint makes of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rewardgen.llm.faults import Passing, excerpt, read_complaint
from rewardgen.llm.messages import Finish

_FINISHES: Mapping[str, Finish] = {
    "length": "length",
    "max_tokens": "length",
    "content_filter": "content_filter",
    "safety": "content_filter",
    "refusal": "refusal",
}
_LONGEST_EXCERPT = 200
# no context is so long: a count beyond it is none
_MOST_TOKENS = 100_000_000
_Count = Annotated[int, Field(le=_MOST_TOKENS)]


@dataclass(frozen=True)
class TokenCounts:
    """Tokens of a reply; see ``Reply``."""

    prompt: int
    completion: int
    cached_prompt: int = 0
    written_prompt: int = 0


@dataclass(frozen=True)
class Completion:
    """What a body says.

    Attributes:
        text: the reply, or the words of a refusal.
        finish: why it ended.
        model: who answered; None if it does not say.
        counts: tokens; None if it does not say.
    """

    text: str
    finish: Finish
    model: str | None
    counts: TokenCounts | None


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _Part(_Body):
    type: str | None = None
    text: str | None = None


class _Message(_Body):
    content: str | list[_Part] | None = None
    refusal: str | None = None


class _Choice(_Body):
    message: _Message | None = None
    finish_reason: str | None = None


class _PromptDetails(_Body):
    cached_tokens: _Count | None = None
    cache_write_tokens: _Count | None = None


class _Usage(_Body):
    prompt_tokens: _Count | None = None
    completion_tokens: _Count | None = None
    total_tokens: _Count | None = None
    prompt_tokens_details: _PromptDetails | None = None
    prompt_cache_hit_tokens: _Count | None = None  # DeepSeek


class _Completion(_Body):
    model: str | None = None
    choices: list[_Choice] | None = None
    usage: Any = None


def read_completion(body: bytes) -> Completion | Passing:
    """Return what a successful response says; a fault if it is no reply after all."""
    try:
        # lone surrogates, which JSON can carry but no file can, become question marks
        clean = json.dumps(json.loads(body), ensure_ascii=False).encode(errors="replace")
        content = _Completion.model_validate_json(clean)
    except (ValueError, RecursionError):
        start = body[:_LONGEST_EXCERPT].decode(errors="replace")
        return Passing(f"answered with something that is no reply: {start!r}", charged=True)
    if not content.choices:
        words = read_complaint(body.decode(errors="replace")).message
        return Passing(f"answered without a reply: {words}", charged=True)
    choice = content.choices[0]
    if choice.finish_reason == "error" or choice.message is None:
        words = read_complaint(body.decode(errors="replace")).message
        return Passing(f"broke off its reply: {words}", charged=True)
    text = _text(choice.message.content)
    refusal = choice.message.refusal or ""
    finish = _FINISHES.get((choice.finish_reason or "").lower(), "stop")
    if finish == "stop" and refusal:
        finish = "refusal"
    if finish == "stop" and not text.strip():
        finish = "empty"
    return Completion(
        text=text or refusal,
        finish=finish,
        model=None if content.model is None else excerpt(content.model),
        counts=_counts(content.usage),
    )


def _text(content: str | list[_Part] | None) -> str:
    """Return the text of a message; parts of other kinds are reasoning or images."""
    if content is None or isinstance(content, str):
        return content or ""
    return "".join(part.text or "" for part in content if part.type in (None, "text"))


def _counts(usage: object) -> TokenCounts | None:
    try:
        counted = _Usage.model_validate(usage)
    except ValidationError:
        return None
    prompt, completion = counted.prompt_tokens or 0, counted.completion_tokens
    if completion is None and counted.total_tokens is not None:
        completion = counted.total_tokens - prompt
    if prompt <= 0 or completion is None or completion < 0:
        return None
    # Some count reasoning in the total alone, and charge it as output all the same.
    completion = max(completion, (counted.total_tokens or 0) - prompt)
    details = counted.prompt_tokens_details or _PromptDetails()
    cached = details.cached_tokens or counted.prompt_cache_hit_tokens or 0
    cached = min(max(0, cached), prompt)
    written = min(max(0, details.cache_write_tokens or 0), prompt - cached)
    return TokenCounts(prompt, completion, cached, written)
