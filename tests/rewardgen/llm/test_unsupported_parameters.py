"""Endpoints that do not take a parameter say so in many dialects; it is then not sent again."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from rewardgen.llm.errors import RequestRefusedError
from tests.rewardgen.llm.asking import Asking, FakeTime
from tests.rewardgen.llm.server import Answer, Received, ScriptedEndpoint, completion, refusal

# What an endpoint answers to a parameter named NAME.
DIALECTS: dict[str, Answer] = {
    "OpenAI, parameter": refusal(
        400,
        "Unsupported parameter: 'NAME' is not supported with this model.",
        kind="invalid_request_error",
        code="unsupported_parameter",
        param="NAME",
    ),
    "OpenAI, value": refusal(
        400,
        "Unsupported value: 'NAME' does not support 0.2 with this model. Only the default (1) "
        "value is supported.",
        code="unsupported_value",
        param="NAME",
    ),
    "a proxy of OpenAI, without the field": refusal(
        400, "Unsupported parameter: 'NAME' is not supported with this model.", code="bad_body"
    ),
    "vLLM": Answer(
        status=400,
        body={
            "object": "error",
            "message": "[{'type': 'extra_forbidden', 'loc': ('body', 'NAME'), 'msg': 'Extra "
            "inputs are not permitted', 'input': 8192}]",
            "type": "BadRequestError",
            "param": None,
            "code": 400,
        },
    ),
    "FastAPI": Answer(
        status=422,
        body={"detail": [{"type": "extra_forbidden", "loc": ["body", "NAME"], "msg": "Extra"}]},
    ),
    "Ollama": Answer(status=400, body={"error": "json: unknown field NAME"}),
    "plain text": Answer(status=400, body=b"unexpected argument NAME"),
}


def _about(dialect: Answer, name: str) -> Answer:
    """Return a dialect's answer to a parameter."""
    return Answer(status=dialect.status, body=_put(dialect.body, name))


def _put(body: object, name: str) -> object:
    match body:
        case bytes():
            return body.replace(b"NAME", name.encode())
        case str():
            return body.replace("NAME", name)
        case dict():
            return {key: _put(value, name) for key, value in body.items()}
        case list():
            return [_put(value, name) for value in body]
        case _:
            return body


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS.keys())
def test_refused_temperature_is_dropped_for_good_and_said_once(
    dialect: Answer, tmp_path: Path
) -> None:
    with ScriptedEndpoint([_about(dialect, "temperature"), completion()]) as server:
        asking = Asking(server.url, tmp_path, temperature=0.2)
        asking.ask()
        asking.ask(text="Another.")
    sent = [sorted(set(received.body) - {"model", "messages"}) for received in server.received]
    limit = "max_completion_tokens"
    assert sent == [[limit, "temperature"], [limit], [limit]]
    assert asking.endpoint.dropped == ("temperature",)
    assert len(asking.said) == 1
    assert "does not take temperature: going on without it" in asking.said[0]
    assert asking.time.slept == []


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS.keys())
def test_limit_of_the_length_goes_by_its_old_name_and_then_not_at_all(
    dialect: Answer, tmp_path: Path
) -> None:
    def answer(received: Received) -> Answer:
        for name in ("max_completion_tokens", "max_tokens"):
            if name in received.body:
                return _about(dialect, name)
        return completion()

    with ScriptedEndpoint(answer) as server:
        asking = Asking(server.url, tmp_path, max_completion_tokens=900)
        asking.ask()
    limits = [
        {name: value for name, value in received.body.items() if name.startswith("max_")}
        for received in server.received
    ]
    assert limits == [{"max_completion_tokens": 900}, {"max_tokens": 900}, {}]
    assert asking.endpoint.dropped == ("max_completion_tokens", "max_tokens")
    assert "using max_tokens instead" in asking.said[0]
    assert "going on without it" in asking.said[1]


def test_what_to_use_instead_is_not_what_is_refused(tmp_path: Path) -> None:
    """As OpenAI puts it; the text names both, but only one was sent."""
    words = "Unsupported parameter: 'max_completion_tokens'. Use 'max_tokens' instead."
    with ScriptedEndpoint([refusal(400, words), completion()]) as server:
        asking = Asking(server.url, tmp_path)
        asking.ask()
    assert asking.endpoint.dropped == ("max_completion_tokens",)
    assert "max_tokens" in server.received[1].body


def test_calls_in_flight_say_it_once_and_are_all_repeated(tmp_path: Path) -> None:
    all_sent = threading.Event()

    def answer(received: Received) -> Answer:
        if received.number == 3:
            all_sent.set()
        if "temperature" in received.body:
            return refusal(400, "no temperature", param="temperature", after=all_sent)
        return completion()

    with ScriptedEndpoint(answer) as server:
        asking = Asking(server.url, tmp_path, temperature=0.2)
        assert len(asking.ask(samples=4)) == 4
    assert len(server.received) == 8
    assert len(asking.said) == 1
    assert asking.endpoint.dropped == ("temperature",)


def test_calls_that_wait_do_not_send_what_was_refused_meanwhile(tmp_path: Path) -> None:
    answers = [refusal(400, "no temperature", param="temperature"), completion()]
    with ScriptedEndpoint(answers) as server:
        Asking(server.url, tmp_path, temperature=0.2, concurrency=1).ask(samples=5)
    assert ["temperature" in r.body for r in server.received] == [True] + [False] * 5


def test_what_was_refused_during_a_pause_is_not_sent_after_it(tmp_path: Path) -> None:
    """One call was asked to wait; meanwhile the other, in flight, hears of the parameter."""

    class Pause(FakeTime):
        async def sleep(self, seconds: float) -> None:
            while not any("does not take temperature" in text for text in asking.said):
                await asyncio.sleep(0.001)
            await super().sleep(seconds)

    both_sent, paused = threading.Event(), threading.Event()

    def answer(received: Received) -> Answer:
        if received.number == 0:
            return refusal(429, "Slow", headers={"retry-after": "9"}, after=both_sent)
        if received.number == 1:
            both_sent.set()
            return refusal(400, "no temperature", param="temperature", after=paused)
        return completion()

    class Told(list[str]):
        def append(self, text: str) -> None:
            super().append(text)
            paused.set()

    with ScriptedEndpoint(answer) as server:
        asking = Asking(server.url, tmp_path, temperature=0.2, time=Pause(), said=Told())
        asking.ask(samples=2)
    assert ["temperature" in r.body for r in server.received] == [True, True, False, False]


def test_request_that_stays_wrong_is_an_error(tmp_path: Path) -> None:
    with ScriptedEndpoint([refusal(400, "temperature and max_completion_tokens")]) as server:
        asking = Asking(server.url, tmp_path, temperature=0.2)
        with pytest.raises(RequestRefusedError, match="HTTP 400: temperature and max_compl"):
            asking.ask()
    assert len(server.received) == 3


def test_without_any_limit_of_the_length_no_cap_can_be_kept(tmp_path: Path) -> None:
    def answer(received: Received) -> Answer:
        if "temperature" in received.body:
            return refusal(400, "too hot", param="temperature")
        for name in ("max_completion_tokens", "max_tokens"):
            if name in received.body:
                return refusal(400, "unknown", param=name)
        return completion()

    with ScriptedEndpoint(answer) as server:
        asking = Asking(server.url, tmp_path, max_cost_usd=100.0, temperature=0.2)
        with pytest.raises(RequestRefusedError, match="no limit on the length of replies") as said:
            asking.ask()
        assert "(HTTP 400: unknown)" in str(said.value)
        assert "too hot" not in str(said.value)
        assert "a lower --max-completion-tokens" in str(said.value)
        assert len(server.received) == 3
        free = Asking(server.url, tmp_path, max_cost_usd=100.0, usd_per_mtok=(0.0, 0.0))
        free.ask()
