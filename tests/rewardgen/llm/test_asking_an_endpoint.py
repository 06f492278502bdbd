"""Calls that work: what is sent, what comes back, what is kept."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from rewardgen.llm.messages import Reply
from rewardgen.llm.notebook import FileCache
from tests.rewardgen.llm.asking import KEY, Asking, requests
from tests.rewardgen.llm.server import Answer, Received, ScriptedEndpoint, completion


def test_sends_the_conversation_with_a_limit_and_nothing_unasked(tmp_path: Path) -> None:
    with ScriptedEndpoint([completion()]) as server:
        Asking(server.url, tmp_path, max_completion_tokens=2000).ask()
    (received,) = server.received
    assert received.body == {
        "model": "scripted",
        "messages": [
            {"role": "system", "content": "You design rewards."},
            {"role": "user", "content": "Write a reward."},
        ],
        "max_completion_tokens": 2000,
    }
    assert received.headers["authorization"] == f"Bearer {KEY}"


def test_sends_a_temperature_if_asked(tmp_path: Path) -> None:
    with ScriptedEndpoint([completion()]) as server:
        Asking(server.url, tmp_path, temperature=0.0).ask()
    assert server.received[0].body["temperature"] == 0.0


def test_reply_says_what_it_took(tmp_path: Path) -> None:
    with ScriptedEndpoint([completion("def f(): pass")]) as server:
        asking = Asking(server.url, tmp_path)
        (reply,) = asking.ask()
    assert reply == Reply(
        key=requests(1)[0].key(asking.settings, seed=7),
        text="def f(): pass",
        finish="stop",
        model="scripted-2026-01-01",
        prompt_tokens=100,
        completion_tokens=50,
        cost_usd=0.0006,  # 100 tokens at $1 and 50 at $10 per million
        latency_s=0.0,
    )


@pytest.mark.parametrize(
    "text",
    [
        "I would reward speed.",
        "```python\none()\n```\nor\n```python\ntwo()\n```",
        "<think>hm</think>\n```python\ncode()\n```",
        "\N{GRINNING FACE} \0 \r\n \u2028",
    ],
)
def test_whatever_is_written_comes_back_word_for_word(text: str, tmp_path: Path) -> None:
    with ScriptedEndpoint([completion(text)]) as server:
        (reply,) = Asking(server.url, tmp_path).ask()
        assert Asking(server.url, tmp_path).ask() == [reply]
    assert (reply.text, reply.finish) == (text, "stop")


def test_samples_are_single_calls_side_by_side(tmp_path: Path) -> None:
    """All five are open at once: each is answered only when the last one has come."""
    everybody_is_here = threading.Event()

    def answer(received: Received) -> Answer:
        if received.number == 4:
            everybody_is_here.set()
        return completion(after=everybody_is_here)

    with ScriptedEndpoint(answer) as server:
        replies = Asking(server.url, tmp_path).ask(samples=5)
    assert len(replies) == 5
    assert server.most_at_once == 5
    assert all("n" not in received.body for received in server.received)


def test_no_more_calls_in_flight_than_allowed(tmp_path: Path) -> None:
    with ScriptedEndpoint([completion()]) as server:
        Asking(server.url, tmp_path, concurrency=2).ask(samples=9)
    assert len(server.received) == 9
    assert server.most_at_once <= 2


def test_replies_come_in_the_order_of_the_requests(tmp_path: Path) -> None:
    first_may_come = threading.Event()

    def answer(received: Received) -> Answer:
        text = received.body["messages"][-1]["content"]
        if text == "last":
            first_may_come.set()
        return completion(text, after=first_may_come if text == "first" else None)

    with ScriptedEndpoint(answer) as server:
        asking = Asking(server.url, tmp_path)
        asked = [requests(1, text)[0] for text in ("first", "second", "last")]
        replies = asking.endpoint.ask(asked)
    assert [reply.text for reply in replies] == ["first", "second", "last"]


def test_nothing_is_asked_for_nothing(tmp_path: Path) -> None:
    assert Asking("http://127.0.0.1:1/v1", tmp_path).endpoint.ask([]) == []


def test_what_the_notebook_holds_is_not_asked_again(tmp_path: Path) -> None:
    with ScriptedEndpoint([completion()]) as server:
        first = Asking(server.url, tmp_path).ask(samples=3)
        again = Asking(server.url, tmp_path)
        assert again.ask(samples=3) == first
        assert len(server.received) == 3
        again.ask(samples=4)
        assert len(server.received) == 4
    assert again.endpoint.usage.reused == 6
    assert again.endpoint.usage.calls == 1


def test_another_seed_asks_again(tmp_path: Path) -> None:
    with ScriptedEndpoint([completion()]) as server:
        Asking(server.url, tmp_path, seed=1).ask()
        Asking(server.url, tmp_path, seed=2).ask()
    assert len(server.received) == 2


def test_cached_replies_cost_this_run_nothing_and_are_kept_by_it(tmp_path: Path) -> None:
    cache = FileCache(tmp_path / "cache")
    with ScriptedEndpoint([completion()]) as server:
        (paid,) = Asking(server.url, tmp_path / "run-1", cache=cache).ask()
        other = Asking(server.url, tmp_path / "run-2", cache=cache)
        (reused,) = other.ask()
    assert len(server.received) == 1
    assert reused == paid.model_copy(update={"cost_usd": 0.0, "cached": True})
    assert other.notebook.find(paid.key) == reused
    assert other.notebook.spent_usd == 0.0
    assert other.endpoint.usage.cost_usd == 0.0


def test_a_reply_is_kept_before_the_others_are_there(tmp_path: Path) -> None:
    """The second reply comes only once the first is kept."""
    kept = threading.Event()

    class Watched(FileCache):
        def keep(self, *given: object) -> None:
            super().keep(*given)
            kept.set()

    def answer(received: Received) -> Answer:
        late = received.body["messages"][-1]["content"] == "late"
        return completion(after=kept if late else None)

    with ScriptedEndpoint(answer) as server:
        asking = Asking(server.url, tmp_path, cache=Watched(tmp_path / "cache"))
        replies = asking.endpoint.ask([requests(1, text)[0] for text in ("early", "late")])
    assert len(replies) == 2


def test_equal_requests_are_refused(tmp_path: Path) -> None:
    asking = Asking("http://127.0.0.1:1/v1", tmp_path)
    with pytest.raises(ValueError, match="sample"):
        asking.endpoint.ask([*requests(1), *requests(1)])


def test_usage_adds_up(tmp_path: Path) -> None:
    usage = {
        "prompt_tokens": 1000,
        "completion_tokens": 200,
        "total_tokens": 1200,
        "prompt_tokens_details": {"cached_tokens": 600},
    }
    with ScriptedEndpoint([completion(usage=usage)]) as server:
        asking = Asking(server.url, tmp_path)
        asking.ask(samples=2)
        asking.ask(samples=1, text="Another.")
    totals = asking.endpoint.usage
    assert (totals.calls, totals.retries, totals.reused, totals.estimated) == (3, 0, 0, 0)
    assert (totals.prompt_tokens, totals.cached_prompt_tokens) == (3000, 1800)
    assert totals.completion_tokens == 600
    # no price for cached tokens was given, so they cost what others do
    assert totals.cost_usd == pytest.approx(3 * (1000 * 1.0 + 200 * 10.0) / 1e6)
    assert asking.notebook.spent_usd == pytest.approx(totals.cost_usd)


def test_without_a_price_the_cost_is_unknown(tmp_path: Path) -> None:
    with ScriptedEndpoint([completion()]) as server:
        asking = Asking(server.url, tmp_path, usd_per_mtok=None, unpriced=True)
        (reply,) = asking.ask()
    assert reply.cost_usd is None
    assert asking.endpoint.usage.cost_usd is None
    assert asking.endpoint.usage.completion_tokens == 50


def test_works_inside_a_running_event_loop(tmp_path: Path) -> None:
    """As in a notebook; the notebook of replies is called by the thread that asks."""
    callers: list[int] = []

    class Watched(FileCache):
        def keep(self, *given: object) -> None:
            callers.append(threading.get_ident())
            super().keep(*given)

    async def cell() -> list[Reply]:
        asking = Asking(server.url, tmp_path / "run", cache=Watched(tmp_path / "cache"))
        return asking.ask(samples=3)

    with ScriptedEndpoint([completion()]) as server:
        replies = asyncio.run(cell())
    assert len(replies) == 3
    assert callers == [threading.get_ident()] * 3


def test_local_endpoints_need_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with ScriptedEndpoint([completion()]) as server:
        Asking(server.url, tmp_path).ask()
    assert server.received[0].headers["authorization"] == "Bearer none"


def test_key_comes_from_the_variable_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTHER_KEY", "  another-key-entirely\n")
    with ScriptedEndpoint([completion()]) as server:
        Asking(server.url, tmp_path, api_key_env="OTHER_KEY").ask()
    assert server.received[0].headers["authorization"] == "Bearer another-key-entirely"
