"""Prices are 1 USD in and 10 USD out per million tokens unless said otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from rewardgen.llm.costs import most_tokens
from rewardgen.llm.errors import CostCapError, EndpointDownError
from tests.rewardgen.llm.asking import Asking, requests
from tests.rewardgen.llm.server import Answer, Received, ScriptedEndpoint, completion, refusal

# A reply of the full 1,000 tokens; a prompt of p tokens at most costs p millionths of a dollar.
FULL = completion(usage={"prompt_tokens": 100, "completion_tokens": 1000, "total_tokens": 1100})
FULL_USD = (100 * 1.0 + 1000 * 10.0) / 1e6
AT_MOST_USD = (most_tokens(requests(1)[0].messages) * 1.0 + 1000 * 10.0) / 1e6


def _asking(server: ScriptedEndpoint, directory: Path, calls: float) -> Asking:
    """Return an endpoint whose cap is what so many calls can cost at most."""
    return Asking(
        server.url, directory, max_completion_tokens=1000, max_cost_usd=calls * AT_MOST_USD
    )


def test_cap_counts_calls_in_flight(tmp_path: Path) -> None:
    """Room for 3.5 calls: no more than three are ever open, though eight may be."""
    with ScriptedEndpoint([FULL]) as server:
        asking = _asking(server, tmp_path, calls=3.5)
        with pytest.raises(CostCapError):
            asking.ask(samples=8)
    assert server.most_at_once <= 3
    assert len(server.received) == 3
    assert asking.notebook.spent_usd == pytest.approx(3 * FULL_USD)


def test_short_replies_make_room_for_more(tmp_path: Path) -> None:
    """Room for two at a time; each costs a tenth of what is set aside for it."""
    short = completion(usage={"prompt_tokens": 100, "completion_tokens": 100, "total_tokens": 200})
    with ScriptedEndpoint([short]) as server:
        asking = _asking(server, tmp_path, calls=2.5)
        assert len(asking.ask(samples=9)) == 9
    assert server.most_at_once <= 2
    assert asking.notebook.spent_usd == pytest.approx(9 * (100 + 1000) / 1e6)


def test_replies_in_flight_are_kept_when_the_cap_is_reached(tmp_path: Path) -> None:
    with ScriptedEndpoint([FULL]) as server:
        asking = _asking(server, tmp_path, calls=2.5)
        with pytest.raises(CostCapError, match="a higher --max-cost-usd"):
            asking.ask(samples=5)
        kept = [asking.notebook.find(r.key(asking.settings, 7)) for r in requests(5)]
        assert sum(reply is not None for reply in kept) == 2
        # with a higher cap the same command pays for the rest alone
        again = Asking(server.url, tmp_path, max_completion_tokens=1000, max_cost_usd=1.0)
        again.ask(samples=5)
    assert len(server.received) == 5


def test_cap_too_small_for_one_call_is_refused_before_the_first(tmp_path: Path) -> None:
    with (
        ScriptedEndpoint([FULL]) as server,
        pytest.raises(CostCapError, match=r"after \$0.0000 spent"),
    ):
        _asking(server, tmp_path, calls=0.9).ask()
    assert server.received == []


def test_what_the_run_spent_before_counts(tmp_path: Path) -> None:
    """A resumed run: its notebook says what earlier processes paid."""
    with ScriptedEndpoint([FULL]) as server:
        asking = _asking(server, tmp_path, calls=2.5)
        asking.ask(samples=2)
        with pytest.raises(CostCapError):
            asking.ask(text="Another.")
    assert len(server.received) == 2


def test_kept_replies_need_no_room(tmp_path: Path) -> None:
    with ScriptedEndpoint([FULL]) as server:
        _asking(server, tmp_path, calls=2.5).ask(samples=2)
        assert len(_asking(server, tmp_path, calls=0.1).ask(samples=2)) == 2


def test_reply_that_broke_off_counts_as_if_it_had_been_charged(tmp_path: Path) -> None:
    """Room for three: one breaks off, its repetition comes, the next fits, another does not."""
    broken = completion(cut=10)
    with ScriptedEndpoint([broken, FULL]) as server:
        asking = _asking(server, tmp_path, calls=3.0)
        (reply,) = asking.ask()
        assert reply.cost_usd == pytest.approx(AT_MOST_USD + FULL_USD)
        assert reply.estimated
        assert asking.endpoint.usage.estimated == 1
        asking.ask(text="Write another.")
        with pytest.raises(CostCapError):
            asking.ask(text="And another.")
    assert len(server.received) == 3


def test_refused_calls_cost_nothing(tmp_path: Path) -> None:
    answers = [refusal(500, "no"), refusal(429, "slow"), refusal(503, "busy"), FULL]
    with ScriptedEndpoint(answers) as server:
        asking = _asking(server, tmp_path, calls=1.0)
        (reply,) = asking.ask()
    assert reply.cost_usd == FULL_USD
    assert not reply.estimated


@pytest.mark.parametrize("usage", [{}, {"prompt_tokens": 100}])
def test_without_usage_tokens_are_those_of_the_text_and_the_cost_is_the_most(
    tmp_path: Path, usage: dict[str, int]
) -> None:
    """Prompt: 20 + 15 bytes, 7 + 5 tokens of three bytes; reply: 30 bytes, 10 tokens.

    What was thought before the reply is charged, and nobody can see how long it was.
    """
    with ScriptedEndpoint([completion("x" * 30, usage=usage)]) as server:
        asking = Asking(server.url, tmp_path, max_completion_tokens=1000)
        (reply,) = asking.ask()
    assert (reply.prompt_tokens, reply.completion_tokens, reply.estimated) == (12, 10, True)
    assert reply.cost_usd == pytest.approx(AT_MOST_USD)


def test_an_endpoint_that_answers_nonsense_is_down_whatever_the_cap(tmp_path: Path) -> None:
    """Each try may have been charged: the third does not fit, which is the endpoint's doing."""
    nonsense = Answer(body={"choices": []})
    with ScriptedEndpoint([nonsense, nonsense, FULL]) as server:
        with pytest.raises(EndpointDownError, match="calls broke off that may have been charged"):
            _asking(server, tmp_path, calls=2.5).ask()
        assert len(server.received) == 2
        _asking(server, tmp_path, calls=2.5).ask()


def test_prices_of_the_table_with_their_discounts(tmp_path: Path) -> None:
    """gpt-6-sol: 200 tokens at $2, 700 cached at $0.20, 100 written at $2.50, 50 out at $10."""
    usage = {
        "prompt_tokens": 1000,
        "completion_tokens": 50,
        "total_tokens": 1050,
        "prompt_tokens_details": {"cached_tokens": 700, "cache_write_tokens": 100},
    }
    with ScriptedEndpoint([completion(usage=usage)]) as server:
        asking = Asking(server.url, tmp_path, model="gpt-6-sol", usd_per_mtok=None)
        (reply,) = asking.ask()
    assert reply.cost_usd == pytest.approx((400 + 140 + 250 + 500) / 1e6)


def test_cap_holds_whatever_breaks_off_or_is_refused(tmp_path: Path) -> None:
    """Of five calls one breaks off, which may have been charged, and one is refused."""

    def answer(received: Received) -> Answer:
        match received.number % 5:
            case 3:
                return completion(cut=5)
            case 4:
                return refusal(500, "no")
            case _:
                return FULL

    with ScriptedEndpoint(answer) as server:
        asking = _asking(server, tmp_path, calls=12.5)
        with pytest.raises((CostCapError, EndpointDownError)):
            asking.ask(samples=30)
    charged = [AT_MOST_USD if r.number % 5 == 3 else FULL_USD for r in server.received]
    refused = sum(r.number % 5 == 4 for r in server.received) * FULL_USD
    assert sum(charged) - refused <= 12.5 * AT_MOST_USD
    assert asking.notebook.spent_usd <= 12.5 * AT_MOST_USD
    assert len(server.received) >= 12
