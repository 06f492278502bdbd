"""What prompts that are too long look like elsewhere, and what must not be taken for it."""

from __future__ import annotations

import json

import pytest

from rewardgen.llm.errors import ContextLengthError, ModelNotFoundError, RequestRefusedError
from rewardgen.llm.faults import Passing, Unsupported, judge_refusal, read_complaint

SENT = {"max_completion_tokens": 1000}


def _judge(body: str, status: int = 400) -> object:
    return judge_refusal(status, {}, body, SENT, now=0.0)


@pytest.mark.parametrize(
    "body",
    [
        # OpenAI
        '{"error": {"message": "Your messages resulted in 9 tokens.", "param": "messages", '
        '"code": "context_length_exceeded"}}',
        # vLLM
        '{"object": "error", "message": "This model\'s maximum context length is 4096 tokens. '
        'However, you requested 5000 tokens (4000 in the messages, 1000 in the completion)."}',
        # llama.cpp
        '{"error": {"code": 400, "message": "request (6031 tokens) exceeds the available context '
        'size (1024 tokens), try increasing it", "type": "exceed_context_size_error"}}',
        # Anthropic
        '{"error": {"type": "invalid_request_error", "message": "prompt is too long: 9 > 8"}}',
        # Google, in a list
        '[{"error": {"code": 400, "message": "The input is too long: input is too long"}}]',
        '{"error": "Input tokens exceed the configured limit of 272000 tokens."}',
    ],
)
def test_prompt_too_long(body: str) -> None:
    assert isinstance(_judge(body), ContextLengthError)


def test_where_prompt_and_reply_do_not_fit_either_may_be_shorter() -> None:
    fault = _judge(
        '{"message": "This model\'s maximum context length is 4096 tokens. However, you requested '
        '4500 tokens (3500 in the messages, 1000 in the completion)."}'
    )
    assert isinstance(fault, ContextLengthError)
    assert "of which a reply may take 1000 (--max-completion-tokens)" in str(fault)


def test_a_page_of_brackets_is_read_at_once() -> None:
    """Two million of them would take hours if every one were looked up to the end."""
    assert read_complaint("<" * 2_000_000).message.endswith("…")


def test_limit_that_leaves_no_room_is_not_the_prompts_fault() -> None:
    fault = _judge('{"message": "This model\'s maximum context length is 512 tokens."}')
    assert isinstance(fault, RequestRefusedError)
    assert "replies of 1000 tokens do not fit" in str(fault)


def test_limit_that_is_named_is_a_refused_parameter() -> None:
    fault = _judge(
        '{"error": {"message": "\'max_tokens\' or \'max_completion_tokens\' is too large: 1000. '
        "This model's maximum context length is 512 tokens\"}}"
    )
    assert isinstance(fault, Unsupported)
    assert fault.parameter == "max_completion_tokens"


def test_limit_that_a_shorter_prompt_leaves_room_for_is_kept() -> None:
    """vLLM names the limit although it is the prompt that is too long."""
    fault = _judge(
        '{"error": {"message": "\'max_tokens\' or \'max_completion_tokens\' is too large: 1000. '
        "This model's maximum context length is 4096 tokens and your request has 3500 input tokens "
        '(1000 > 4096 - 3500).", "type": "BadRequestError", "param": null, "code": 400}}'
    )
    assert isinstance(fault, ContextLengthError)


def test_what_is_repeated_of_the_request_is_no_complaint() -> None:
    """FastAPI shows the whole input where a field is missing, elsewhere or in it."""
    body = (
        '{"detail": [{"type": "missing", "loc": ["header", "x-team"], "msg": "Field required", '
        '"input": {"max_completion_tokens": 1000, "messages": [{"content": "the prompt"}]}}]}'
    )
    fault = _judge(body, 422)
    assert isinstance(fault, RequestRefusedError)
    assert "Field required" in str(fault) and "the prompt" not in str(fault)
    named = _judge(body.replace('"header", "x-team"', '"body", "max_completion_tokens"'), 422)
    assert isinstance(named, Unsupported)


def test_a_gateway_names_the_parameter_in_what_it_passes_on() -> None:
    """OpenRouter puts the provider's own words beside a message that says nothing."""
    fault = _judge(
        '{"error": {"message": "Provider returned error", "code": 400, "metadata": {"raw": '
        '"{\\"error\\": \\"Unsupported parameter: max_completion_tokens\\"}"}}}'
    )
    assert isinstance(fault, Unsupported)


@pytest.mark.parametrize("status", [401, 404, 400, 503])
@pytest.mark.parametrize("page", ["{}", '{{"error": {{"message": "{}"}}}}'])
def test_words_of_an_endpoint_cannot_command_the_terminal(status: int, page: str) -> None:
    words = "\x1b[31mred \x1b]0;title\x07 \u202e"
    quoted = json.dumps(words)[1:-1] if page.startswith("{{") else words
    fault = _judge(page.format(quoted), status)
    said = fault.reason if isinstance(fault, Passing) else str(fault)
    assert "[31mred" in said or "title" in said
    assert all(c.isprintable() for c in said)


@pytest.mark.parametrize(
    "body",
    [
        '{"error": {"message": "Model Not Exist", "type": "invalid_request_error"}}',
        '{"error": {"message": "x/y is not a valid model ID", "code": 400}}',
        '{"detail": "Invalid model: x"}',
        '{"error": "model \'x\' not found, try pulling it first"}',
    ],
)
def test_unknown_model_without_a_404(body: str) -> None:
    assert isinstance(_judge(body), ModelNotFoundError)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('{"error": {"message": "words"}}', "words"),
        ('{"error": "words"}', "words"),
        ('{"message": "words", "code": 400}', "words"),
        ('{"detail": "words"}', "words"),
        ('{"detail": [{"msg": "words"}]}', '[{"msg": "words"}]'),
        ('[{"error": {"message": "words"}}]', "words"),
        ('{"unheard": 1}', '{"unheard": 1}'),
        ("words,  not\nJSON", "words, not JSON"),
        ("<html><style>b {}</style><b>words</b><script>x()</script></html>", "words"),
        ("", ""),
        ("3", "3"),
        ("null", "null"),
        ("word " * 1000, "word " * 120 + "…"),
        ("[" * 100_000, "[" * 600 + " …"),
    ],
)
def test_message_of_a_refusal(body: str, message: str) -> None:
    assert read_complaint(body).message == message
