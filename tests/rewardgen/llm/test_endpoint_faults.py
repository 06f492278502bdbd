"""Every way in which an endpoint fails, injected on a real socket; time passes in no time."""

from __future__ import annotations

import email.utils
import socket
import threading
from pathlib import Path

import pytest

from rewardgen.llm.client import Endpoint
from rewardgen.llm.errors import (
    ContextLengthError,
    EndpointDownError,
    EndpointError,
    KeyMissingError,
    KeyRefusedError,
    ModelNotFoundError,
    QuotaError,
    RequestRefusedError,
)
from rewardgen.llm.keys import EndpointKey
from rewardgen.llm.notebook import FileCache
from rewardgen.llm.settings import EndpointSettings
from rewardgen_envs.errors import UsageError
from tests.rewardgen.llm.asking import KEY, WALL_S, Asking, FakeTime, requests
from tests.rewardgen.llm.server import Answer, Received, ScriptedEndpoint, completion, refusal

CUT_OFF = completion(cut=40)
PASSING = {
    "request timeout": refusal(408, "Request timeout"),
    "conflict": refusal(409, "Conflict"),
    "server error": refusal(500, "The server had an error"),
    "bad gateway": Answer(status=502, body=b"<html><title>502</title><h1>Bad Gateway</h1></html>"),
    "overloaded": refusal(529, "Overloaded", kind="overloaded_error"),
    "reset in the body": CUT_OFF,
    "reset before the body": completion(cut=0),
    "page of a proxy": Answer(body=b"<html>Please log in to the WLAN</html>"),
    "half a JSON text": Answer(body=b'{"choices": [{"mess'),
    "JSON of another kind": Answer(body=["what?"]),
    "empty body": Answer(body=b""),
    "no choices": Answer(body={"choices": [], "usage": None}),
    "choices null": Answer(body={"choices": None}),
    "error with status 200": Answer(body={"error": {"message": "upstream died", "code": 502}}),
    "broken off": completion("half a", finish="error"),
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING.keys())
def test_passing_faults_are_tried_again(fault: Answer, tmp_path: Path) -> None:
    with ScriptedEndpoint([fault, fault, completion("at last")]) as server:
        asking = Asking(server.url, tmp_path)
        (reply,) = asking.ask()
    assert (reply.text, reply.attempts) == ("at last", 3)
    assert asking.endpoint.usage.retries == 2
    first, second = asking.time.slept
    assert 0.5 <= first <= 1.0 <= second <= 2.0
    assert len(asking.said) == 1
    assert "trying again" in asking.said[0]


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING.keys())
def test_lasting_faults_end_in_an_error_that_says_what_is_kept(
    fault: Answer, tmp_path: Path
) -> None:
    with ScriptedEndpoint([fault]) as server:
        asking = Asking(server.url, tmp_path)
        with pytest.raises(EndpointDownError, match=r"10 tries failed.*is kept") as caught:
            asking.ask()
    assert len(server.received) == 10
    assert server.url in str(caught.value)
    assert len(asking.time.slept) == 9
    assert max(asking.time.slept) <= 60.0


def test_endpoint_that_is_down(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    asking = Asking(f"http://127.0.0.1:{port}/v1", tmp_path)
    with pytest.raises(EndpointDownError, match=r"10 tries failed \(no connection"):
        asking.ask(samples=3)
    assert len(asking.said) == 1


def test_pauses_follow_from_the_seed(tmp_path: Path) -> None:
    pauses: list[list[float]] = []
    with ScriptedEndpoint([refusal(500, "no"), refusal(500, "no"), completion()]) as server:
        for name, seed in (("a", 1), ("b", 1), ("c", 2)):
            server.received.clear()
            asking = Asking(server.url, tmp_path / name, seed=seed)
            asking.ask()
            pauses.append(asking.time.slept)
    assert pauses[0] == pauses[1]
    assert pauses[0] != pauses[2]


def test_slow_endpoint_is_given_up_after_few_tries(tmp_path: Path) -> None:
    never = threading.Event()
    with ScriptedEndpoint([completion(after=never)]) as server:
        asking = Asking(server.url, tmp_path, timeout_s=1.0)
        with pytest.raises(EndpointDownError, match=r"3 tries failed .*within 1 s"):
            asking.ask()
        never.set()


def test_endpoint_that_trickles_is_slow_too(tmp_path: Path) -> None:
    """A limit for each read, as HTTP clients have it, would never be reached."""
    with ScriptedEndpoint([completion("word " * 10_000, trickle=True)]) as server:
        asking = Asking(server.url, tmp_path, timeout_s=1.0)
        with pytest.raises(EndpointDownError, match=r"3 tries failed .*within 1 s"):
            asking.ask()


@pytest.mark.parametrize("status", [504, 524])
def test_proxies_that_give_up_are_slow_too(status: int, tmp_path: Path) -> None:
    with ScriptedEndpoint([Answer(status=status)]) as server:
        asking = Asking(server.url, tmp_path)
        with pytest.raises(EndpointDownError, match="3 tries failed"):
            asking.ask()


def test_one_slow_answer_is_asked_for_again(tmp_path: Path) -> None:
    never = threading.Event()
    with ScriptedEndpoint([completion(after=never), completion("quick")]) as server:
        (reply,) = Asking(server.url, tmp_path, timeout_s=1.0).ask()
        never.set()
    assert reply.text == "quick"


def _http_date(seconds: float) -> str:
    return email.utils.formatdate(WALL_S + seconds, usegmt=True)


@pytest.mark.parametrize(
    ("headers", "pause_s"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after": "3600"}, 3600.0),
        ({"retry-after": "100000"}, 100_000.0),
        ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
        ({"retry-after": _http_date(90.0)}, 90.0),
        # a server whose clock is an hour ahead
        ({"retry-after": _http_date(3690.0), "date": _http_date(3600.0)}, 90.0),
    ],
)
def test_waits_as_long_as_the_endpoint_asks(
    headers: dict[str, str], pause_s: float, tmp_path: Path
) -> None:
    with ScriptedEndpoint([refusal(429, "Slow down", headers=headers), completion()]) as server:
        asking = Asking(server.url, tmp_path)
        asking.ask()
    assert asking.time.slept == [pytest.approx(pause_s)]
    assert len(asking.said) == 1
    assert f"sending nothing for {pause_s:,.0f} s" in asking.said[0]


@pytest.mark.parametrize("wish", ["0", "-5", "soon", "nan", "Thu, 01 Jan 1970 00:00:00 GMT", ""])
def test_wishes_that_are_none_get_a_pause_of_our_own(wish: str, tmp_path: Path) -> None:
    limited = refusal(429, "Slow down", headers={"retry-after": wish})
    with ScriptedEndpoint([limited, completion()]) as server:
        asking = Asking(server.url, tmp_path)
        asking.ask()
    (pause_s,) = asking.time.slept
    assert 0.5 <= pause_s <= 1.0


def test_nothing_is_sent_by_any_call_while_the_endpoint_asks_to_wait(tmp_path: Path) -> None:
    """The first of two calls in flight is refused for an hour; four others wait their turn."""
    time = FakeTime()
    both_sent, refused = threading.Event(), threading.Event()

    def answer(received: Received) -> Answer:
        if received.number == 0:
            return refusal(429, "Slow down", headers={"retry-after": "3600"}, after=both_sent)
        both_sent.set()
        return completion(after=refused if received.number == 1 else None)

    class Told(list[str]):
        def append(self, text: str) -> None:
            super().append(text)
            refused.set()

    with ScriptedEndpoint(answer, clock=time.clock) as server:
        asking = Asking(server.url, tmp_path, time=time, concurrency=2, said=Told())
        assert len(asking.ask(samples=6)) == 6
    assert [received.at for received in server.received] == [0.0, 0.0] + [3600.0] * 5
    assert len(asking.said) == 1


def test_a_limited_rate_uses_up_no_tries(tmp_path: Path) -> None:
    """Twelve calls, one of which gets through each minute: the last is refused eleven times."""

    def answer(received: Received) -> Answer:
        if received.number in turns:
            return completion()
        return refusal(429, "Slow down", headers={"retry-after": "60"})

    turns = {sum(range(12, 12 - k, -1)) for k in range(12)}
    with ScriptedEndpoint(answer) as server:
        asking = Asking(server.url, tmp_path, concurrency=12)
        assert len(asking.ask(samples=12)) == 12


def test_an_endpoint_that_only_ever_asks_to_wait_is_given_up(tmp_path: Path) -> None:
    with ScriptedEndpoint([refusal(429, "Slow down", headers={"retry-after": "60"})]) as server:
        asking = Asking(server.url, tmp_path)
        with pytest.raises(EndpointDownError, match="asked to wait 20 times in a row"):
            asking.ask()
    assert asking.time.now == pytest.approx(20 * 60.0)


def test_a_busy_server_may_ask_to_wait_too(tmp_path: Path) -> None:
    busy = refusal(503, "Loading the model", headers={"retry-after": "45"})
    with ScriptedEndpoint([busy, completion()]) as server:
        asking = Asking(server.url, tmp_path)
        asking.ask()
    assert asking.time.slept == [45.0]


FINAL: dict[str, tuple[Answer, type[EndpointError], str]] = {
    "wrong key": (
        refusal(401, "Incorrect API key provided", code="invalid_api_key"),
        KeyRefusedError,
        "key is refused.*Incorrect API key.*OPENAI_API_KEY",
    ),
    "key without a right": (
        refusal(403, "Country not supported"),
        KeyRefusedError,
        "Country not supported",
    ),
    "no credit": (
        refusal(429, "You exceeded your current quota", code="insufficient_quota"),
        QuotaError,
        "used up.*exceeded your current quota.*add credit",
    ),
    "no balance": (refusal(402, "Insufficient Balance"), QuotaError, "Insufficient Balance"),
    "prompt too long": (
        refusal(400, "This model's maximum context length is 8192 tokens", code="x"),
        RequestRefusedError,
        "start a new run with a lower --max-completion-tokens",
    ),
    "bad request": (
        refusal(400, "Invalid 'messages': empty array"),
        RequestRefusedError,
        "Invalid 'messages'",
    ),
    "teapot": (refusal(418, "I am a teapot"), RequestRefusedError, "I am a teapot"),
}


@pytest.mark.parametrize(("answer", "kind", "words"), FINAL.values(), ids=FINAL.keys())
def test_lasting_refusals_are_not_repeated(
    answer: Answer, kind: type[EndpointError], words: str, tmp_path: Path
) -> None:
    with ScriptedEndpoint([answer]) as server:
        asking = Asking(server.url, tmp_path)
        with pytest.raises(kind, match=words) as caught:
            asking.ask()
    assert len(server.received) == 1
    assert asking.time.slept == []
    assert str(caught.value).startswith(server.url)
    assert "What was answered so far is kept" in str(caught.value)


def test_prompt_that_is_too_long_has_an_error_of_its_own(tmp_path: Path) -> None:
    words = "This model's maximum context length is 128000 tokens. Your messages take 130000."
    answer = refusal(400, words, code="context_length_exceeded", param="messages")
    with ScriptedEndpoint([answer, completion("shorter")]) as server:
        asking = Asking(server.url, tmp_path)
        with pytest.raises(ContextLengthError, match="130000"):
            asking.ask(text="long " * 100)
        (reply,) = asking.ask(text="short")
    assert reply.text == "shorter"


def test_unknown_model_comes_with_those_there_are_the_nearest_first(tmp_path: Path) -> None:
    answer = refusal(404, "The model `scriptde` does not exist", code="model_not_found")
    with (
        ScriptedEndpoint([answer], models=["zeta", "scripted", "alpha"]) as server,
        pytest.raises(ModelNotFoundError) as caught,
    ):
        Asking(server.url, tmp_path, model="scriptde").ask()
    assert "did you mean 'scripted'? Valid: alpha, scripted, zeta" in str(caught.value)


def test_of_very_many_models_the_nearest_are_listed(tmp_path: Path) -> None:
    models = [f"maker/model-{number}" for number in range(400)]
    with (
        ScriptedEndpoint([refusal(400, "Model Not Exist")], models=models) as server,
        pytest.raises(ModelNotFoundError) as caught,
    ):
        Asking(server.url, tmp_path, model="model-7").ask()
    assert "did you mean 'maker/model-7'? The nearest of 400: maker/model-7, " in str(caught.value)
    assert str(caught.value).count("maker/model-") == 41


def test_wrong_address(tmp_path: Path) -> None:
    with (
        ScriptedEndpoint([completion()], models=None) as server,
        pytest.raises(ModelNotFoundError, match=r"no endpoint \(HTTP 404: 404 Not Found\)"),
    ):
        Asking(f"{server.url}/v2", tmp_path).ask()


@pytest.mark.parametrize("key", [None, "", "  \n"])
def test_openai_without_a_key_is_wrong_usage(
    key: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if key is None:
        monkeypatch.delenv("OPENAI_API_KEY")
    else:
        monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(KeyMissingError, match="OPENAI_API_KEY") as caught:
        _openai(tmp_path)
    assert isinstance(caught.value, UsageError)
    assert isinstance(caught.value, EndpointError)


@pytest.mark.parametrize("key", ["sk-two words", "sk-schlüssel", "sk-tab\tbed"])
def test_what_cannot_be_a_key_is_refused_without_showing_it(
    key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(KeyMissingError, match="OPENAI_API_KEY holds cannot be a key") as caught:
        _openai(tmp_path)
    assert key not in str(caught.value)


def test_address_in_the_sdks_own_variable_is_not_silently_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:8000/v1")
    with pytest.raises(KeyMissingError, match="OPENAI_BASE_URL is set"):
        _openai(tmp_path)
    monkeypatch.setenv("OPENAI_BASE_URL", "https://api.openai.com/v1/")
    _openai(tmp_path)


def _openai(directory: Path) -> Endpoint:
    return Endpoint(
        EndpointSettings(model="gpt-5-mini"), seed=0, notebook=FileCache(directory), say=print
    )


def test_key_revoked_between_calls_keeps_the_replies_before(tmp_path: Path) -> None:
    revoked = refusal(401, "The key was revoked")
    with ScriptedEndpoint([completion("one"), completion("two"), revoked]) as server:
        asking = Asking(server.url, tmp_path, concurrency=1)
        with pytest.raises(KeyRefusedError, match=r"revoked.*is kept"):
            asking.ask(samples=5)
    assert len(server.received) == 3
    kept = [asking.notebook.find(r.key(asking.settings, 7)) for r in requests(5)]
    assert [reply and reply.text for reply in kept] == ["one", "two", None, None, None]


def test_after_an_error_what_is_in_flight_is_still_kept(tmp_path: Path) -> None:
    """Two calls in flight: one is refused, then the other is answered; the third never goes."""
    refused = threading.Event()

    def answer(received: Received) -> Answer:
        if received.body["messages"][-1]["content"] == "bad":
            return refusal(401, "revoked")
        return completion("good", after=refused)

    class Told(list[str]):
        def append(self, text: str) -> None:
            super().append(text)
            refused.set()

    with ScriptedEndpoint(answer) as server:
        asking = Asking(server.url, tmp_path, concurrency=2, said=Told())
        asked = [requests(1, text)[0] for text in ("good", "bad", "never sent")]
        with pytest.raises(KeyRefusedError):
            asking.endpoint.ask(asked)
    assert asking.said == [f"{server.url}: waiting for what is in flight (1)"]
    assert len(server.received) == 2
    kept = asking.notebook.find(asked[0].key(asking.settings, 7))
    assert kept is not None
    assert kept.text == "good"


@pytest.mark.parametrize("width", [600, 8_000, 200])
@pytest.mark.parametrize("status", [200, 401])
@pytest.mark.parametrize("page", ["{}", '{{"error": {{"message": "{}"}}}}', "<p>{}</p>"])
def test_no_part_of_a_key_is_left_where_a_text_is_cut(
    page: str, status: int, width: int, tmp_path: Path
) -> None:
    """Excerpts end somewhere: a key that an endpoint shows there would be cut, not blanked out."""
    bodies = [page.format("x " * ((width - cut) // 2) + KEY) for cut in range(0, len(KEY) + 4, 2)]
    answers = [Answer(status=status, body=body.encode()) for body in bodies]
    said: list[str] = []
    with ScriptedEndpoint(answers) as server:
        for _ in range(1 if status == 200 else len(answers)):
            with pytest.raises(EndpointError) as caught:
                Asking(server.url, tmp_path, said=said).ask()
            said.append(str(caught.value))
    assert len(server.received) >= 10
    assert not [text for text in said if KEY[:6] in text]


def test_a_key_with_slashes_is_found_as_json_may_write_it() -> None:
    key = EndpointKey("ab/cd/efgh")
    assert key.redact(r'"ab\/cd\/efgh" ab/cd/efgh') == '"[key]" [key]'
    assert key.redact_bytes(rb'"ab\/cd\/efgh" ab/cd/efgh') == b'"[key]" [key]'


def test_the_key_never_shows(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The endpoint quotes it in an error, in a fault, in a reply, as its name, as a model."""
    leaks = [
        refusal(500, f"cannot serve {KEY}"),
        refusal(429, f"{KEY} is too fast", headers={"retry-after": "1"}),
        refusal(400, f"temperature: no, {KEY}", param="temperature"),
        completion(f"# {KEY}"),
        Answer(body={"choices": [], "error": KEY}),
        refusal(404, f"no model for {KEY}"),
    ]
    with ScriptedEndpoint(leaks, models=[f"model-of-{KEY}"]) as server:
        asking = Asking(server.url, tmp_path, temperature=0.5)
        (reply,) = asking.ask()
        with pytest.raises(ModelNotFoundError) as caught:
            asking.ask(text="Another.")
    files = [path.read_text() for path in tmp_path.rglob("*.json")]
    shown = [reply.model_dump_json(), str(caught.value), *asking.said, *files, *capfd.readouterr()]
    assert len(files) == 1
    assert len(asking.said) == 4
    assert [text for text in shown if KEY in text] == []
    assert reply.text == "# [key]"
    assert "model-of-[key]" in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
