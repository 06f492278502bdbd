from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rewardgen.llm.messages import Message, Reply, Request
from rewardgen.llm.notebook import FileCache
from rewardgen.llm.settings import EndpointSettings
from rewardgen.store.errors import StoreError
from tests.rewardgen.llm.asking import Asking, requests
from tests.rewardgen.llm.server import ScriptedEndpoint, completion

SETTINGS = EndpointSettings(model="m", base_url="http://localhost/v1")
TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
MESSAGES = st.lists(
    st.builds(Message, role=st.sampled_from(["system", "user", "assistant"]), content=TEXT),
    min_size=1,
    max_size=3,
).map(tuple)
REQUESTS = st.builds(Request, messages=MESSAGES, sample=st.integers(0, 3))


def _reply(key: str, text: str = "text", cost_usd: float | None = 0.5) -> Reply:
    return Reply(
        key=key,
        text=text,
        finish="stop",
        model="m",
        prompt_tokens=3,
        completion_tokens=2,
        cost_usd=cost_usd,
        latency_s=1.5,
    )


@settings(deadline=None)
@given(REQUESTS, REQUESTS, st.integers(0, 1), st.integers(0, 1))
def test_keys_are_equal_only_for_equal_requests(
    one: Request, other: Request, seed: int, other_seed: int
) -> None:
    same = (one, seed) == (other, other_seed)
    assert (one.key(SETTINGS, seed) == other.key(SETTINGS, other_seed)) == same


@settings(deadline=None)
@given(MESSAGES, st.sets(st.integers(0, 100), min_size=2, max_size=8), st.integers(0, 2**63))
def test_samples_of_one_prompt_never_collapse(
    messages: tuple[Message, ...], samples: set[int], seed: int
) -> None:
    keys = {Request(messages=messages, sample=n).key(SETTINGS, seed) for n in samples}
    assert len(keys) == len(samples)


@pytest.mark.parametrize(
    "change",
    [
        {"model": "n"},
        {"base_url": "http://localhost/v2"},
        {"base_url": None},
        {"temperature": 0.0},
        {"max_completion_tokens": 5},
    ],
)
def test_keys_differ_with_whatever_the_reply_depends_on(change: dict[str, object]) -> None:
    request = requests(1)[0]
    changed = EndpointSettings.model_validate({**SETTINGS.model_dump(), **change})
    assert request.key(SETTINGS, 0) != request.key(changed, 0)


def test_keys_do_not_depend_on_price_or_patience() -> None:
    request = requests(1)[0]
    changed = SETTINGS.model_copy(
        update={"usd_per_mtok": (1.0, 2.0), "max_cost_usd": 9.0, "timeout_s": 5.0, "concurrency": 1}
    )
    assert request.key(SETTINGS, 0) == request.key(changed, 0)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(request=REQUESTS, text=TEXT, cost_usd=st.none() | st.floats(0.0, 1e6))
def test_what_is_kept_is_found_again(
    request: Request, text: str, cost_usd: float | None, tmp_path: Path
) -> None:
    key = request.key(SETTINGS, 0)
    FileCache(tmp_path).keep(key, request, _reply(key, text, cost_usd))
    assert FileCache(tmp_path).find(key) == _reply(key, text, cost_usd)


def test_replies_can_be_read_by_people(tmp_path: Path) -> None:
    (request,) = requests(1)
    key = request.key(SETTINGS, 0)
    FileCache(tmp_path).keep(key, request, _reply(key))
    (path,) = tmp_path.rglob("*.json")
    content = json.loads(path.read_text())
    assert path.stem == key
    assert content["request"]["messages"][1]["content"] == "Write a reward."
    assert content["reply"]["text"] == "text"


def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    assert FileCache(tmp_path / "never made").find("ab" * 32) is None
    assert not (tmp_path / "never made").exists()


@pytest.mark.parametrize("damage", [b"", b"{", b"\xff\xfe", b"[]", b'{"reply": {}}', None])
def test_damaged_file_is_asked_for_again_and_replaced(damage: bytes | None, tmp_path: Path) -> None:
    """None: the file lies under the name of another."""
    with ScriptedEndpoint([completion("first"), completion("second")]) as server:
        (first,) = Asking(server.url, tmp_path).ask()
        (path,) = tmp_path.rglob("*.json")
        if damage is None:
            path.write_text(path.read_text().replace(first.key, "0" * 64))
        else:
            path.write_bytes(damage)
        (second,) = Asking(server.url, tmp_path).ask()
        assert Asking(server.url, tmp_path).ask() == [second]
    assert second.text == "second"
    assert len(server.received) == 2


def test_spent_is_what_this_command_paid(tmp_path: Path) -> None:
    cache = FileCache(tmp_path)
    for number, cost_usd in enumerate((0.25, None, 0.5)):
        request = Request(messages=requests(1)[0].messages, sample=number)
        key = request.key(SETTINGS, 0)
        cache.keep(key, request, _reply(key, cost_usd=cost_usd))
    assert cache.spent_usd == 0.75
    assert FileCache(tmp_path).spent_usd == 0.0


def test_folder_that_cannot_be_made_is_an_error_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (request,) = requests(1)
    with pytest.raises(StoreError, match="cannot write"):
        FileCache(tmp_path / "file").keep("ab" * 32, request, _reply("ab" * 32))
    with pytest.raises(StoreError, match="cannot write"):
        FileCache(tmp_path / "file").check()
    FileCache(tmp_path / "new" / "folder").check()
    assert list((tmp_path / "new").rglob("*")) == [tmp_path / "new" / "folder"]


def test_files_of_earlier_versions_are_paid_for(tmp_path: Path) -> None:
    """They say in every reply which parameters had been refused by then."""
    (request,) = requests(1)
    cache, key = FileCache(tmp_path), "ab" * 32
    cache.keep(key, request, _reply(key))
    path = tmp_path / f"{key}.json"
    entry = json.loads(path.read_text())
    entry["reply"]["dropped"] = ["temperature"]
    path.write_text(json.dumps(entry))
    assert cache.find(key) == _reply(key)
