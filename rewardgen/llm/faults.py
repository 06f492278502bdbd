"""What a refusal means: wait and repeat, repeat without a parameter, or stop.

Endpoints that call themselves compatible agree on status codes more than on bodies. Known forms:
``{"error": {"message", "type", "code", "param"}}`` (OpenAI, vLLM, llama.cpp), the same without
``error`` (older vLLM), the same in a list (Google), ``{"error": "…"}`` (Ollama), ``{"detail": …}``
(FastAPI), a page of HTML (proxies).
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, cast

from rewardgen.llm.errors import (
    ContextLengthError,
    EndpointError,
    KeyRefusedError,
    ModelNotFoundError,
    QuotaError,
    RequestRefusedError,
)
from rewardgen.llm.pace import requested_pause_s

# A call that stays without any sign of life costs its whole time limit, and perhaps money.
TRIES = 10
TRIES_WHEN_SLOW = 3

_LONGEST_EXCERPT = 600
# of a page that is no JSON; more than its message needs
_LONGEST_PAGE = 8_000
# A proxy lost patience with a model that may have written all the same.
_GAVE_UP = {504, 524}
_QUOTA = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}
_CONTEXT_CODES = {"context_length_exceeded", "exceed_context_size_error"}
_CONTEXT_WORDS = re.compile(
    r"context (length|window|size)|too many (input )?tokens|prompt is too long"
    r"|input is too long|input tokens exceed|reduce the length",
    re.IGNORECASE,
)
_WHOLE_CONTEXT = re.compile(r"maximum context length is (\d+)", re.IGNORECASE)
_NO_MODEL = re.compile(
    r"model.{0,120}?(not exist|not found|unknown)|(invalid|unknown|not a valid) model",
    re.IGNORECASE | re.DOTALL,
)
# what some endpoints repeat of the request beside their complaint (FastAPI: ``input``)
_ECHOES = {"input", "request"}
_MARKUP = re.compile(r"<(script|style)\b.*?</\1\s*>|<[^<>]*>", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class Passing:
    """A fault that may be gone when the call is repeated.

    Attributes:
        reason: what happened.
        tries: how often to try in all.
        charged: whether the call may have been charged all the same.
        limited: whether the endpoint limits the rate: the fault of no single call.
        pause_s: how long the endpoint asks to wait; None: we choose.
    """

    reason: str
    tries: int = TRIES
    charged: bool = False
    limited: bool = False
    pause_s: float | None = None


@dataclass(frozen=True)
class Unsupported:
    """A parameter that the endpoint does not take.

    Attributes:
        parameter: its name.
        reason: the endpoint's words.
    """

    parameter: str
    reason: str


Fault = Passing | Unsupported | EndpointError


@dataclass(frozen=True)
class Complaint:
    """What an endpoint says about a call that it refuses.

    Attributes:
        message: its words, for people.
        codes: its codes and types.
        parameter: the parameter that it names in a field of its own.
        whole: everything that it says.
    """

    message: str
    codes: frozenset[str]
    parameter: str | None
    whole: str


def judge_refusal(
    status: int,
    headers: Mapping[str, str],
    body: str,
    sent: Mapping[str, float | int],
    now: float,
) -> Fault:
    """Return what a status other than success means.

    Args:
        status: HTTP status.
        headers: of the response.
        body: of the response.
        sent: the parameters of the call.
        now: seconds since the epoch.
    """
    complaint = read_complaint(body)
    says = f"HTTP {status}: {complaint.message}" if complaint.message else f"HTTP {status}"
    if status == 402 or complaint.codes & _QUOTA:
        return QuotaError(
            f"the account behind the key is used up ({says}). Waiting does not help: add credit"
        )
    if status in (401, 403):
        return KeyRefusedError(f"the key is refused ({says})")
    if status in (408, 409, 425, 429) or status >= 500:
        return Passing(
            says,
            tries=TRIES_WHEN_SLOW if status in _GAVE_UP else TRIES,
            charged=status in _GAVE_UP,
            limited=status == 429,
            pause_s=requested_pause_s(headers, now),
        )
    if status == 404:
        return ModelNotFoundError(says)
    if status in (400, 413, 422):
        return _judge_request(complaint, says, sent)
    return RequestRefusedError(f"the request is refused ({says})")


def read_complaint(body: str) -> Complaint:
    """Return what a response's body says, in whichever form."""
    try:
        content = _first(_without_echoes(json.loads(body)))
        whole = json.dumps(content, ensure_ascii=False)
    except (ValueError, RecursionError):
        return Complaint(excerpt(_MARKUP.sub(" ", body[:_LONGEST_PAGE])), frozenset(), None, body)
    fields = _mapping(content)
    inner = fields.get("error", fields)
    if isinstance(inner, str):
        return Complaint(excerpt(inner), frozenset(), None, whole)
    error = _mapping(inner)
    message = error.get("message") or error.get("detail") or fields.get("message") or content
    text = message if isinstance(message, str) else json.dumps(message, ensure_ascii=False)
    named = (error.get("code"), error.get("type"))
    parameter = error.get("param")
    return Complaint(
        message=excerpt(text),
        codes=frozenset(name for name in named if isinstance(name, str)),
        parameter=parameter if isinstance(parameter, str) else None,
        whole=whole,
    )


def _judge_request(complaint: Complaint, says: str, sent: Mapping[str, float | int]) -> Fault:
    whole = _WHOLE_CONTEXT.search(complaint.message)
    limit = max((int(v) for name, v in sent.items() if name.startswith("max_")), default=0)
    # vLLM names the limit also where a shorter prompt would leave room for it
    prompt_too_long = whole is not None and limit < int(whole.group(1))
    if not complaint.codes & _CONTEXT_CODES:
        named = _named(complaint, sent)
        if named is not None and not (prompt_too_long and named.startswith("max_")):
            return Unsupported(named, says)
        if _NO_MODEL.search(complaint.message):
            return ModelNotFoundError(says)
        if not _CONTEXT_WORDS.search(complaint.message):
            return RequestRefusedError(f"the request is refused ({says})")
    if whole is not None and limit >= int(whole.group(1)):
        return RequestRefusedError(
            f"replies of {limit} tokens do not fit: the whole context of this model is "
            f"{whole.group(1)} ({says}). Serve it with a longer context, or start a new run with a "
            "lower --max-completion-tokens"
        )
    room = f", of which a reply may take {limit} (--max-completion-tokens)" if limit else ""
    return ContextLengthError(
        f"prompt and reply do not fit the model's context{room}: {says}. Serve it with a longer "
        "context, or start a new run with shorter replies"
    )


def _named(complaint: Complaint, sent: Collection[str]) -> str | None:
    """Return the parameter that is complained about: as a field, or the first in the text.

    Only what was sent counts: "use 'max_completion_tokens' instead of 'max_tokens'" names both.
    """
    if complaint.parameter in sent:
        return complaint.parameter
    places = {
        name: found.start()
        for name in sent
        if (found := re.search(rf"(?<!\w){re.escape(name)}(?!\w)", complaint.whole)) is not None
    }
    return min(places, key=lambda name: places[name], default=None)


def _first(value: object) -> object:
    """Return the first entry of a list; anything else as it is."""
    entries = cast("list[object]", value) if isinstance(value, list) else [value]
    return entries[0] if entries else None


def _mapping(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def _without_echoes(value: object) -> object:
    """Return what an endpoint says without what it repeats of the request."""
    if isinstance(value, dict):
        fields = cast("dict[str, object]", value)
        return {k: _without_echoes(v) for k, v in fields.items() if k not in _ECHOES}
    if isinstance(value, list):
        return [_without_echoes(entry) for entry in cast("list[object]", value)]
    return value


def excerpt(text: str) -> str:
    """Return text of an endpoint as one line that commands no terminal, cut if it is long."""
    words = " ".join(text.split())
    line = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in words)
    return line if len(line) <= _LONGEST_EXCERPT else line[:_LONGEST_EXCERPT].rstrip() + " …"
