from __future__ import annotations

import os
import socket

import pytest

from rewardgen.isolation.channel import (
    MAX_MESSAGE_BYTES,
    Channel,
    ChannelClosedError,
    ChannelGarbageError,
    ChannelTimeoutError,
    connected_pair,
    deadline_in,
)


def test_messages_arrive_in_order_with_descriptors() -> None:
    ours, theirs = connected_pair()
    other = Channel(theirs)
    read, write = os.pipe()
    ours.send({"id": 1, "text": "größer\n"}, deadline_in(5.0), [write])
    ours.send({"id": 2}, deadline_in(5.0))
    message, fds = other.wait()
    assert (message, len(fds)) == ({"id": 1, "text": "größer\n"}, 1)
    os.write(fds[0], b"x")
    assert os.read(read, 1) == b"x"
    assert other.receive(deadline_in(5.0)) == {"id": 2}
    for fd in (read, write, fds[0]):
        os.close(fd)


def test_answer_of_a_peer_that_is_gone_at_once_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = connected_pair()
    read, write = os.pipe()
    send_fds = socket.send_fds

    def send_and_be_answered(s: socket.socket, data: list[bytes], fds: list[int]) -> int:
        """As if this process were not scheduled before the peer has answered and ended."""
        sent = send_fds(s, data, fds)
        Channel(theirs).wait()
        theirs.sendall(b'{"id": 1}\n')
        theirs.close()
        return sent

    monkeypatch.setattr(socket, "send_fds", send_and_be_answered)
    ours.send({"id": 1}, deadline_in(5.0), [write])
    assert ours.receive(deadline_in(5.0)) == {"id": 1}
    with pytest.raises(ChannelClosedError):
        ours.receive(deadline_in(5.0))
    os.close(read)


@pytest.mark.parametrize(
    "line",
    [
        b" \n",
        b"nothing\n",
        b"[1]\n",
        b'"text"\n',
        b"\xff\xfe\n",
        b"[" * 100_000 + b"\n",
        b'{"id": ' + b"9" * 5_000 + b"}\n",
        b"x" * (MAX_MESSAGE_BYTES + 1),
    ],
)
def test_what_is_no_message_is_garbage(line: bytes) -> None:
    ours, theirs = connected_pair()
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * len(line))
    theirs.setblocking(False)
    with pytest.raises(ChannelGarbageError):
        while True:
            line = line[theirs.send(line) :] or b"\n"
            ours.receive(deadline_in(0.0))
    theirs.close()


def test_a_trickle_does_not_move_the_deadline() -> None:
    ours, theirs = connected_pair()
    theirs.send(b'{"id"')
    deadline = deadline_in(0.05)
    with pytest.raises(ChannelTimeoutError):
        ours.receive(deadline)
    theirs.send(b": 1")
    with pytest.raises(ChannelTimeoutError):
        ours.receive(deadline)
    theirs.send(b"}\n")
    assert ours.receive(deadline) == {"id": 1}, "what has arrived is read, however late"


def test_a_peer_that_is_gone_is_closed() -> None:
    ours, theirs = connected_pair()
    theirs.close()
    with pytest.raises(ChannelClosedError):
        ours.receive(deadline_in(1.0))
    with pytest.raises(ChannelClosedError):
        ours.send({"id": 1}, deadline_in(1.0))


def test_a_peer_that_does_not_read_times_out() -> None:
    ours, theirs = connected_pair()
    with pytest.raises(ChannelTimeoutError):
        for _ in range(100):
            ours.send({"text": "x" * 100_000}, deadline_in(0.05))
    theirs.close()


def test_numbers_that_json_does_not_have_are_not_sent() -> None:
    ours, theirs = connected_pair()
    with pytest.raises(ValueError, match="JSON"):
        ours.send({"x": float("nan")}, deadline_in(1.0))
    theirs.close()


def test_an_empty_message_is_an_empty_line() -> None:
    ours, theirs = connected_pair()
    ours.send({}, deadline_in(1.0))
    assert theirs.recv(10) == b"\n"
    theirs.sendall(b"\n")
    assert ours.receive(deadline_in(1.0)) == {}
