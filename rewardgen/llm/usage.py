"""What was asked of an endpoint so far."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rewardgen.llm.messages import Reply


@dataclass(frozen=True)
class Usage:
    """Totals over the replies of one ``Endpoint``.

    Attributes:
        calls: replies that were asked for and came.
        retries: how often calls had to be repeated for them.
        reused: replies that were kept from before, and cost nothing now.
        prompt_tokens: tokens read.
        cached_prompt_tokens: those of them that the provider had read before.
        completion_tokens: tokens written, reasoning included.
        cost_usd: what it cost; None if the price is unknown.
        estimated: replies whose tokens or cost are an upper estimate.
    """

    calls: int = 0
    retries: int = 0
    reused: int = 0
    prompt_tokens: int = 0
    cached_prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float | None = None
    estimated: int = 0

    def with_reply(self, reply: Reply) -> Usage:
        """Return these totals and a reply that came just now."""
        cost = self.cost_usd
        return replace(
            self,
            calls=self.calls + 1,
            retries=self.retries + reply.attempts - 1,
            prompt_tokens=self.prompt_tokens + reply.prompt_tokens,
            cached_prompt_tokens=self.cached_prompt_tokens + reply.cached_prompt_tokens,
            completion_tokens=self.completion_tokens + reply.completion_tokens,
            cost_usd=None if cost is None else cost + (reply.cost_usd or 0.0),
            estimated=self.estimated + reply.estimated,
        )

    def with_reused(self) -> Usage:
        """Return these totals and one more reply from before."""
        return replace(self, reused=self.reused + 1)
