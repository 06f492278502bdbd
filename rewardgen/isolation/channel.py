"""Small messages between processes: one JSON object a line, over a socket; {} is an empty line.

Nothing that arrives is unpickled. A peer may send garbage, floods, or nothing at all; every call
takes an absolute monotonic deadline and every message is capped.
"""

from __future__ import annotations

import array
import json
import os
import select
import socket
import time
from collections.abc import Sequence
from typing import cast

MAX_MESSAGE_BYTES = 256 * 1024
MAX_FDS = 4
LINGER_S = 5e-5
"""How long to stay awake for what comes next, in seconds: half of what waking up may take."""
_CHUNK = 4096
_FDS_BYTES = socket.CMSG_LEN(MAX_FDS * array.array("i").itemsize)

Message = dict[str, object]

# made once: json.dumps makes one for every call that has options
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
_decode = json.JSONDecoder().decode


class ChannelClosedError(Exception):
    """The peer has closed the connection."""


class ChannelTimeoutError(Exception):
    """The deadline passed before a message was complete."""


class ChannelGarbageError(Exception):
    """What arrived is no message."""


def deadline_in(seconds: float) -> float:
    """Return the monotonic time ``seconds`` from now."""
    return time.monotonic() + seconds


class Channel:
    """One end of a connection that carries messages, and file descriptors one way.

    Args:
        connection: a connected stream socket; the channel owns it.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._buffer = b""
        self._poll = select.poll()
        self._poll.register(connection, select.POLLIN)

    def send(self, message: Message, deadline: float, fds: Sequence[int] = ()) -> None:
        """Send a message, and copies of file descriptors with it.

        Raises:
            ChannelClosedError: nobody is there.
            ChannelTimeoutError: the peer does not read.
        """
        data = _encode(message).encode() + b"\n" if message else b"\n"
        try:
            self._socket.settimeout(_remaining(deadline))
            if fds:
                sent = socket.send_fds(self._socket, [data], list(fds))
                data = data[sent:]
            # nothing left is not sent: it would fail if the peer has answered and ended by now
            if data:
                self._socket.sendall(data)
        except TimeoutError as error:
            raise ChannelTimeoutError from error
        except OSError as error:
            raise ChannelClosedError from error

    def receive(self, deadline: float) -> Message:
        """Wait for a message; file descriptors that come with it are dropped.

        Raises:
            ChannelClosedError: the peer is gone.
            ChannelTimeoutError: nothing complete arrived in time.
            ChannelGarbageError: it is no JSON object on a line of reasonable length.
        """
        while b"\n" not in self._buffer:
            self._linger()
            self._socket.settimeout(_remaining(deadline))
            try:
                self._take(self._socket.recv(_CHUNK))
            except TimeoutError as error:
                raise ChannelTimeoutError from error
            except OSError as error:
                raise ChannelClosedError from error
        return self._message()

    def wait(self) -> tuple[Message, list[int]]:
        """Wait as long as it takes for a message from a trusted peer, with its descriptors.

        Raises:
            ChannelClosedError: the peer is gone.
            ChannelGarbageError: it is no message.
        """
        self._socket.settimeout(None)
        fds: list[int] = []
        while b"\n" not in self._buffer:
            self._linger()
            try:
                data, ancillary, _, _ = self._socket.recvmsg(_CHUNK, _FDS_BYTES)
            except OSError as error:
                raise ChannelClosedError from error
            for _, _, given in ancillary:
                received = array.array("i")
                received.frombytes(given[: len(given) - len(given) % received.itemsize])
                fds += received
            self._take(data)
        return self._message(), fds

    def close(self) -> None:
        """Close this end."""
        self._socket.close()

    def _linger(self) -> None:
        """Stay awake for a moment: to be woken on an idle core takes longer than most answers."""
        end = time.monotonic() + LINGER_S
        poll = self._poll.poll
        while not poll(0) and time.monotonic() < end:
            os.sched_yield()

    def _take(self, data: bytes) -> None:
        if not data:
            raise ChannelClosedError
        self._buffer += data
        if len(self._buffer) > MAX_MESSAGE_BYTES:
            raise ChannelGarbageError(f"more than {MAX_MESSAGE_BYTES} bytes without an answer")

    def _message(self) -> Message:
        line, _, self._buffer = self._buffer.partition(b"\n")
        if not line:
            return {}
        try:
            message = _decode(line.decode())
        except (ValueError, RecursionError) as error:
            raise ChannelGarbageError("it is not JSON") from error
        if not isinstance(message, dict):
            raise ChannelGarbageError("it is not a JSON object")
        return cast(Message, message)


def connected_pair() -> tuple[Channel, socket.socket]:
    """Return one end as a channel, and the other end to be given away."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    return Channel(ours), theirs


def _remaining(deadline: float) -> float:
    # zero would mean "do not wait", and what has arrived already must be read after a deadline
    return max(deadline - time.monotonic(), 1e-4)
