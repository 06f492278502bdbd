"""The protocol end to end with a real language model; what it writes does not matter."""

from __future__ import annotations

from pathlib import Path

import pytest

from rewardgen.llm.costs import estimate_tokens, most_tokens
from rewardgen.llm.errors import ContextLengthError
from rewardgen.llm.messages import Reply
from tests.rewardgen.llm.asking import Asking, requests
from tests.rewardgen.llm.small_model import CONTEXT_TOKENS, SmallModel

TEXT = "Write a function that adds two numbers.\n```python\ndef add(a, b):"


def _asking(small_model: SmallModel, directory: Path, **settings: object) -> Asking:
    return Asking(
        small_model.base_url,
        directory,
        **{"model": small_model.model, "max_completion_tokens": 12, "timeout_s": 300.0, **settings},
    )


def test_samples_of_a_real_model(small_model: SmallModel, tmp_path: Path) -> None:
    """More samples than the server has places; the cap holds exactly what they can cost."""
    at_most_usd = (most_tokens(requests(1, TEXT)[0].messages) * 1.0 + 12 * 10.0) / 1e6
    asking = _asking(small_model, tmp_path, temperature=1.0, max_cost_usd=3 * at_most_usd)
    replies = asking.ask(samples=3, text=TEXT)
    assert len({reply.text for reply in replies}) > 1
    for reply in replies:
        _check_counts(reply)
        # it had more to say than the twelve tokens
        assert (reply.finish, reply.completion_tokens) == ("length", 12)
        assert reply.model == small_model.model
        assert reply.cost_usd == pytest.approx((reply.prompt_tokens + 12 * 10.0) / 1e6)
    assert asking.ask(samples=3, text=TEXT) == replies
    assert asking.endpoint.usage.calls == 3
    assert asking.endpoint.dropped == ()
    assert asking.said == []


def _check_counts(reply: Reply) -> None:
    """Compare what the server counts with what we assume from the length of the texts."""
    messages = requests(1, TEXT)[0].messages
    assert not reply.estimated
    assert 0 < reply.prompt_tokens <= most_tokens(messages)
    text = "".join(message.content for message in messages)
    assert reply.prompt_tokens <= 2 * estimate_tokens(text)


def test_prompt_too_long_for_a_real_model(small_model: SmallModel, tmp_path: Path) -> None:
    asking = _asking(small_model, tmp_path)
    with pytest.raises(ContextLengthError, match=f"{CONTEXT_TOKENS} tokens"):
        asking.ask(text="word " * (2 * CONTEXT_TOKENS))
    (reply,) = asking.ask(text="word " * 10)
    assert reply.prompt_tokens > 10
