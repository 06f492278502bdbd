"""Bodies of replies, as compatible endpoints write them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rewardgen.llm.completions import Completion, TokenCounts, read_completion
from rewardgen.llm.faults import Passing

COUNTED = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


def _read(choice: dict[str, Any], **more: object) -> Completion:
    body = json.dumps({"model": "m", "choices": [choice], "usage": COUNTED, **more})
    completion = read_completion(body.encode())
    assert isinstance(completion, Completion)
    return completion


def _message(**fields: object) -> dict[str, Any]:
    return {"finish_reason": "stop", "message": {"role": "assistant", **fields}}


PARTS = [
    {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
    {"type": "text", "text": "one "},
    {"type": "text", "text": "two"},
]


@pytest.mark.parametrize(
    ("choice", "text", "finish"),
    [
        (_message(content="text"), "text", "stop"),
        ({**_message(content="text"), "finish_reason": None}, "text", "stop"),
        ({**_message(content="text"), "finish_reason": "eos"}, "text", "stop"),
        ({**_message(content="half"), "finish_reason": "length"}, "half", "length"),
        # all tokens went into reasoning
        ({**_message(content=None), "finish_reason": "length"}, "", "length"),
        ({**_message(content="half"), "finish_reason": "MAX_TOKENS"}, "half", "length"),
        ({**_message(content=""), "finish_reason": "content_filter"}, "", "content_filter"),
        (_message(content=None, refusal="I will not."), "I will not.", "refusal"),
        (_message(content=None), "", "empty"),
        (_message(), "", "empty"),
        (_message(content=" \n"), " \n", "empty"),
        ({**_message(content=None), "finish_reason": "tool_calls"}, "", "empty"),
        (_message(content=PARTS), "one two", "stop"),
        (_message(content=[]), "", "empty"),
        (_message(content="text", reasoning_content="hm", audio=None, x={}), "text", "stop"),
    ],
)
def test_text_and_finish(choice: dict[str, Any], text: str, finish: str) -> None:
    completion = _read(choice)
    assert (completion.text, completion.finish) == (text, finish)


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        (COUNTED, TokenCounts(10, 5)),
        ({"prompt_tokens": 10, "completion_tokens": 5}, TokenCounts(10, 5)),
        # reasoning is part of what was written
        ({**COUNTED, "completion_tokens_details": {"reasoning_tokens": 4}}, TokenCounts(10, 5)),
        # unless it is counted in the total alone
        ({**COUNTED, "total_tokens": 95}, TokenCounts(10, 85)),
        ({**COUNTED, "prompt_tokens_details": {"cached_tokens": 8}}, TokenCounts(10, 5, 8)),
        (
            {**COUNTED, "prompt_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 7}},
            TokenCounts(10, 5, 2, 7),
        ),
        ({**COUNTED, "prompt_cache_hit_tokens": 6}, TokenCounts(10, 5, 6)),
        ({**COUNTED, "prompt_tokens_details": {"cached_tokens": 999}}, TokenCounts(10, 5, 10)),
        (None, None),
        ({}, None),
        ({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, None),
        ({"prompt_tokens": "many"}, None),
        ("none of your business", None),
        # no context is so long
        ({"prompt_tokens": 10**30, "completion_tokens": 5}, None),
        ({"prompt_tokens": 10, "completion_tokens": 10**400}, None),
        ({**COUNTED, "total_tokens": 10**9}, None),
    ],
)
def test_token_counts(usage: object, counts: TokenCounts | None) -> None:
    assert _read(_message(content="text"), usage=usage).counts == counts


def test_of_several_choices_the_first_is_taken() -> None:
    body = {"choices": [_message(content="one"), _message(content="two")]}
    completion = read_completion(json.dumps(body).encode())
    assert completion == Completion("one", "stop", None, None)


def test_text_can_always_be_stored() -> None:
    """JSON can carry half a surrogate pair, which no file can."""
    body = b'{"choices": [{"message": {"content": "a\\ud800b \\ud83d\\ude00 \\u0000"}}]}'
    completion = read_completion(body)
    assert isinstance(completion, Completion)
    assert completion.text.encode() == "a?b \N{GRINNING FACE} \0".encode()


def test_three_megabytes_are_a_reply() -> None:
    assert len(_read(_message(content="word " * 600_000)).text) == 3_000_000


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"<html></html>",
        b'{"choices": [{"mess',
        b'{"choices": "none"}',
        b'{"choices": []}',
        b'{"choices": [{"index": 0}]}',
        b"\xff\xfe\x00",
        b"[" * 100_000,
    ],
)
def test_what_is_no_reply_may_be_one_the_next_time(body: bytes) -> None:
    fault = read_completion(body)
    assert isinstance(fault, Passing)
    assert fault.charged
    assert len(fault.reason) < 1000


def test_error_within_a_success_is_shown() -> None:
    fault = read_completion(b'{"error": {"message": "upstream died", "code": 502}}')
    assert isinstance(fault, Passing)
    assert "upstream died" in fault.reason
