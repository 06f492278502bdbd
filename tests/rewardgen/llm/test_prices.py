from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from rewardgen.llm.costs import CostEstimate, estimate_cost, estimate_tokens, most_tokens
from rewardgen.llm.errors import PriceError
from rewardgen.llm.messages import Message
from rewardgen.llm.prices import Price, price_of, price_table
from rewardgen.llm.settings import EndpointSettings
from rewardgen_envs.errors import UsageError
from tests.rewardgen.llm.asking import Asking, user

PRICES = [
    (provider, model, price)
    for provider, content in price_table().providers.items()
    for model, price in content.models.items()
]


def test_table_is_dated_and_names_its_sources() -> None:
    assert datetime.date(2026, 11, 1) <= price_table().date
    sources = [provider.source for provider in price_table().providers.values()]
    assert all(source.startswith("https://") for source in sources)


@pytest.mark.parametrize(("provider", "model", "price"), PRICES)
def test_every_price_is_plausible_and_found(provider: str, model: str, price: Price) -> None:
    table = price_table()
    assert 0.0 < price.input <= price.output <= 100.0
    assert price.cached is None or price.cached < price.input
    assert price.written is None or price.input < price.written <= 2 * price.input
    for name in (
        model,
        f"{model}-2026-11-30",
        f"{model}-20261130",
        f"{table.providers[provider].prefixes[0]}/{model}",
    ):
        assert table.find(name) == price, name


@pytest.mark.parametrize(
    ("name", "usd"),
    [
        ("gpt-5-mini", (0.25, 2.0)),
        ("gpt-5-mini-2025-08-07", (0.25, 2.0)),
        ("openai/gpt-5-mini", (0.25, 2.0)),
        ("openrouter/openai/GPT-5-mini", (0.25, 2.0)),
        ("claude-sonnet-4-5-20250929", (3.0, 15.0)),
        ("anthropic/claude-sonnet-4.5", (3.0, 15.0)),
        ("models/gemini-3.5-flash", (1.5, 9.0)),
        # a snapshot with a price of its own
        ("gpt-4o-2024-05-13", (5.0, 15.0)),
        ("gpt-4o-2024-08-06", (2.5, 10.0)),
        ("grok-4.5-latest", (2.0, 6.0)),
    ],
)
def test_finds_the_model_behind_a_name(name: str, usd: tuple[float, float]) -> None:
    price = price_table().find(name)
    assert price is not None
    assert (price.input, price.output) == usd


@pytest.mark.parametrize(
    "name",
    [
        "gpt-5-mini-high",  # another model
        "gpt-5-mini-2025",
        "gpt-55",
        "my-company/gpt-5-mini",  # who knows what that is
        "anthropic/gpt-5-mini",
        "Qwen/Qwen3-32B",  # open weights: served by anybody, at any price
        "ft:gpt-4o-mini:me",
        "/gpt-5-mini",
        "",
    ],
)
def test_does_not_guess(name: str) -> None:
    assert price_table().find(name) is None


def test_cost_by_hand() -> None:
    """2,000 in at $3, of which 500 cached at $0.30 and 1,000 written at $4; 100 out at $15."""
    price = Price(input=3.0, output=15.0, cached=0.3, written=4.0)
    usd = price.cost_usd(prompt=2000, completion=100, cached=500, written=1000)
    assert usd == pytest.approx((500 * 3.0 + 500 * 0.3 + 1000 * 4.0 + 100 * 15.0) / 1e6)
    assert price.at_most_usd(prompt=2000, completion=100) == pytest.approx(0.0095)


def test_cost_without_prices_for_the_providers_cache() -> None:
    price = Price(input=3.0, output=15.0)
    assert price.cost_usd(1000, 10, cached=900, written=50) == price.cost_usd(1000, 10)


def test_what_the_user_says_goes_before_the_table() -> None:
    price = price_of(EndpointSettings(model="gpt-5-mini", usd_per_mtok=(7.0, 8.0)))
    assert price == Price(input=7.0, output=8.0)


def test_unknown_price_is_refused_with_the_way_out() -> None:
    with pytest.raises(PriceError) as caught:
        price_of(EndpointSettings(model="gpt-5-minni"))
    assert isinstance(caught.value, UsageError)
    for words in (str(price_table().date), "'gpt-5-mini'?", "--usd-per-mtok IN OUT", "--unpriced"):
        assert words in str(caught.value)


def test_cap_without_a_price_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(PriceError, match="--max-cost-usd cannot be kept") as caught:
        Asking("http://localhost/v1", tmp_path, model="x", usd_per_mtok=None, max_cost_usd=1.0)
    assert "--unpriced" not in str(caught.value)


def test_unknown_price_may_be_accepted() -> None:
    assert price_of(EndpointSettings(model="my-model", unpriced=True)) is None
    assert price_of(EndpointSettings(model="gpt-5", unpriced=True)) is not None


def test_estimate_by_hand() -> None:
    """Prompts of 30 and 300 bytes are 10 and 100 tokens; two replies of 1,000 to each."""
    settings = EndpointSettings(model="m", usd_per_mtok=(1.0, 10.0), max_completion_tokens=4000)
    prompts = [[user("x" * 30)], [Message(role="system", content="y" * 300)]]
    most = [30 + 16 + 256, 300 + 16 + 256]
    assert estimate_cost(settings, prompts, samples=2, completion_tokens=1000) == CostEstimate(
        calls=4,
        prompt_tokens=220,
        completion_tokens=4000,
        usd=pytest.approx((220 * 1.0 + 4000 * 10.0) / 1e6),
        at_most_usd=pytest.approx((2 * sum(most) * 1.0 + 4 * 4000 * 10.0) / 1e6),
    )


def test_estimate_assumes_no_longer_replies_than_allowed() -> None:
    settings = EndpointSettings(model="m", usd_per_mtok=(0.0, 1.0), max_completion_tokens=10)
    estimate = estimate_cost(settings, [[user("x")]], samples=1, completion_tokens=99)
    assert estimate.completion_tokens == 10


def test_estimate_without_a_price() -> None:
    settings = EndpointSettings(model="m", unpriced=True)
    estimate = estimate_cost(settings, [[user("x")]], samples=1, completion_tokens=99)
    assert (estimate.usd, estimate.at_most_usd) == (None, None)


def test_tokens_are_counted_in_bytes() -> None:
    assert (estimate_tokens(""), estimate_tokens("abcd"), estimate_tokens("€€")) == (0, 2, 2)
    assert most_tokens([user("€€")]) - most_tokens([user("")]) == 6
