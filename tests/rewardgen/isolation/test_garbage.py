"""Whatever a reward's process says, its owner gets numbers, or a failure of that reward."""

from __future__ import annotations

import json
import socket
from dataclasses import asdict

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rewardgen.isolation.buffers import Layout
from rewardgen.isolation.channel import Channel, connected_pair, deadline_in
from rewardgen.isolation.pace import Deadlines
from rewardgen.isolation.protection import Protection
from rewardgen.isolation.session import MAX_TEXT, HostFailure, Session
from rewardgen.rewards.code import MAX_TERMS, TERM_NAME
from rewardgen.rewards.format import RewardCode
from rewardgen.rewards.transitions import Transitions
from rewardgen_envs.features import Feature, FeatureTable

TABLE = FeatureTable([Feature("x", (), "1", "")])
CODE = RewardCode("def compute_reward(state, action, next_state):\n    return state.x, {}\n")
LAYOUT = Layout(members=1, rows=3, width=1, action_size=1)
SOON = Deadlines(first_s=0.05, least_s=0.05)
LOAD, SCORE = 1, 2  # the numbers of the requests

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)
fields = st.sampled_from(["id", "terms", "error", "kind", "rule", "line", "message", "remedy"])
messages = st.dictionaries(fields, json_values | st.dictionaries(fields, json_values))


class Impostor:
    """A worker whose side of the channel the test speaks for."""

    def __init__(self) -> None:
        self.channel, theirs = connected_pair()
        self.theirs: socket.socket = theirs
        Channel(theirs).send({"id": 0, **asdict(Protection())}, deadline_in(5.0))

    def end(self) -> int | None:
        self.theirs.close()
        self.channel.close()
        return 0


def says(number: int, message: dict[str, object]) -> bytes:
    return json.dumps({"id": number, **message}).encode() + b"\n"


def fill(_: int, into: Transitions) -> None:
    into.state.fill_(0.0)


def assert_harmless(answers: bytes) -> None:
    """Load and score with a worker that has answered already, and gone."""
    worker = Impostor()
    session = Session(worker, SOON)
    worker.theirs.sendall(answers)
    worker.theirs.shutdown(socket.SHUT_WR)
    try:
        session.load(CODE, TABLE)
        session.submit(LAYOUT, fill)
        reward, terms = session.collect()
    except HostFailure as failure:
        finding = failure.finding
        assert finding.stage == "host"
        assert finding.message.isprintable() and len(finding.message) <= MAX_TEXT + 200
        assert finding.remedy.isprintable()
        assert finding.line is None or type(finding.line) is int
    else:
        assert reward.shape == (1, 3) and reward.dtype == torch.float32
        assert bool(reward.isnan().all()), "it has written nothing"
        assert len(terms) <= MAX_TERMS
        assert all(TERM_NAME.fullmatch(name) for name in terms)
    finally:
        session.close()


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
@example(b"\n" * 5)
@example(b"[" * 5000 + b"\n")
@example(b'{"id": 1e999}\n')
@example(b'{"id": ' + b"9" * 5000 + b"}\n")
def test_bytes(garbage: bytes) -> None:
    assert_harmless(garbage)
    assert_harmless(says(LOAD, {}) + garbage)
    assert_harmless(says(LOAD, {}) + garbage + b"\n")


@settings(max_examples=300, deadline=None)
@given(messages)
@example({"terms": ["a", "a"]})
@example({"terms": ["a" * 41]})
@example({"terms": [f"t{i}" for i in range(1000)]})
@example({"error": {"kind": "contract", "line": True, "message": "\x1b[2J", "rule": None}})
def test_messages(message: dict[str, object]) -> None:
    assert_harmless(says(LOAD, message))
    assert_harmless(says(LOAD, {}) + says(SCORE, message))


def test_a_proper_answer_is_taken_and_as_before_where_it_was_before() -> None:
    worker = Impostor()
    session = Session(worker, SOON)
    worker.theirs.sendall(says(LOAD, {}) + says(SCORE, {"terms": ["a", "b"]}) + b"\n\n")
    session.load(CODE, TABLE)
    for _ in range(3):
        session.submit(LAYOUT, fill)
        _, terms = session.collect()
        assert list(terms) == ["a", "b"]
    session.close()


def test_as_before_is_no_answer_to_something_new() -> None:
    worker = Impostor()
    session = Session(worker, SOON)
    worker.theirs.sendall(b"\n")
    with pytest.raises(HostFailure, match="answered what was not asked"):
        session.load(CODE, TABLE)
