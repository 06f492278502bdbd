"""How many tokens a text may take, and what asking for replies may cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rewardgen.llm.messages import Message
from rewardgen.llm.prices import price_of
from rewardgen.llm.settings import EndpointSettings

# Code in English takes 3.5 to 4 bytes a token; this errs on the expensive side.
_BYTES_PER_TOKEN = 3
# What a chat template adds: a system prompt of its own, marks around each message.
_TEMPLATE_TOKENS = 256
_TOKENS_PER_MESSAGE = 16


@dataclass(frozen=True)
class CostEstimate:
    """What replies will cost.

    Attributes:
        calls: number of replies.
        prompt_tokens: tokens read, by the length of the text.
        completion_tokens: tokens written, as assumed.
        usd: price of these; None if it is unknown.
        at_most_usd: price if every reply were as long as allowed; None if it is unknown.
    """

    calls: int
    prompt_tokens: int
    completion_tokens: int
    usd: float | None
    at_most_usd: float | None


def estimate_cost(
    settings: EndpointSettings,
    prompts: Sequence[Sequence[Message]],
    samples: int,
    completion_tokens: int,
) -> CostEstimate:
    """Return what replies to some prompts will cost.

    Args:
        settings: the model.
        prompts: conversations.
        samples: replies to each.
        completion_tokens: assumed length of a reply, reasoning included.

    Raises:
        PriceError: the price is unknown, and nobody said that this is accepted.
    """
    price = price_of(settings)
    longest = settings.max_completion_tokens
    length = min(completion_tokens, longest)
    read = [sum(estimate_tokens(message.content) for message in prompt) for prompt in prompts]
    return CostEstimate(
        calls=samples * len(prompts),
        prompt_tokens=samples * sum(read),
        completion_tokens=samples * len(prompts) * length,
        usd=None if price is None else samples * sum(price.cost_usd(n, length) for n in read),
        at_most_usd=None
        if price is None
        else samples * sum(price.at_most_usd(most_tokens(p), longest) for p in prompts),
    )


def estimate_tokens(text: str) -> int:
    """Return about how many tokens a text takes, rather too many than too few."""
    return -(-len(text.encode(errors="replace")) // _BYTES_PER_TOKEN)


def most_tokens(messages: Sequence[Message]) -> int:
    """Return how many tokens a prompt takes at most: a token is at least one byte."""
    text = sum(len(message.content.encode(errors="replace")) for message in messages)
    return text + len(messages) * _TOKENS_PER_MESSAGE + _TEMPLATE_TOKENS
