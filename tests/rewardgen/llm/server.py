"""An OpenAI-compatible endpoint on a real socket that answers as a test tells it to."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

_PATIENCE_S = 60.0  # for a test that forgets to release what it holds


@dataclass(frozen=True)
class Received:
    """A chat completion that was asked for.

    Attributes:
        number: how many came before.
        headers: by lower-case name.
        body: what was sent.
        at: the test's clock.
    """

    number: int
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    at: float


@dataclass(frozen=True)
class Answer:
    """What to answer.

    Attributes:
        status: HTTP status.
        body: JSON, or bytes as they are.
        headers: more headers.
        after: what to wait for first.
        cut: reset the connection after so many bytes of the body.
        trickle: send the body byte by byte, with pauses.
    """

    status: int = 200
    body: object = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    after: threading.Event | None = None
    cut: int | None = None
    trickle: bool = False


Script = Sequence[Answer] | Callable[[Received], Answer]


def completion(
    text: str | None = "a reply",
    *,
    finish: str | None = "stop",
    usage: Mapping[str, Any] | None = None,
    message: Mapping[str, Any] | None = None,
    after: threading.Event | None = None,
    cut: int | None = None,
    trickle: bool = False,
) -> Answer:
    """A chat completion; by default of 100 tokens read and 50 written."""
    counted = {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150}
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": "scripted-2026-01-01",
        "choices": [
            {
                "index": 0,
                "finish_reason": finish,
                "logprobs": None,
                "message": {"role": "assistant", "content": text, **(message or {})},
            }
        ],
        "usage": counted if usage is None else dict(usage) or None,
    }
    return Answer(body=body, after=after, cut=cut, trickle=trickle)


def refusal(
    status: int,
    message: str,
    *,
    code: str | None = None,
    kind: str | None = None,
    param: str | None = None,
    headers: Mapping[str, str] | None = None,
    after: threading.Event | None = None,
) -> Answer:
    """An error in the form of OpenAI."""
    error = {"message": message, "type": kind, "param": param, "code": code}
    return Answer(status, {"error": error}, headers or {}, after)


class ScriptedEndpoint:
    """A server that answers each completion by the script, whose last answer repeats.

    Args:
        script: the answers in order, or a function of what was received.
        models: what ``/models`` lists; None: it answers 404.
        clock: the test's clock.

    Attributes:
        received: the completions asked for so far.
        most_at_once: how many of them were open at the same time.
    """

    def __init__(
        self,
        script: Script,
        *,
        models: Sequence[str] | None = None,
        clock: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._script = script
        self._models = models
        self._clock = clock
        self._lock = threading.Lock()
        self._open = 0
        self.received: list[Received] = []
        self.most_at_once = 0
        endpoint = self

        class Handler(_Handler):
            scripted = endpoint

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        """What to give as ``base_url``."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer_completion(self, headers: Mapping[str, str], body: Mapping[str, Any]) -> Answer:
        """Record a completion and return what to answer, once that may be sent."""
        with self._lock:
            received = Received(len(self.received), headers, body, self._clock())
            self.received.append(received)
            self._open += 1
            self.most_at_once = max(self.most_at_once, self._open)
        try:
            if callable(self._script):
                answer = self._script(received)
            else:
                answer = self._script[min(received.number, len(self._script) - 1)]
            if answer.after is not None:
                assert answer.after.wait(_PATIENCE_S), "the test never released an answer"
        finally:
            with self._lock:
                self._open -= 1
        return answer

    def list_models(self) -> Answer:
        """Return what to answer to a request for the models."""
        if self._models is None:
            return Answer(status=404, body=b"not here")
        return Answer(body={"object": "list", "data": [{"id": name} for name in self._models]})


class _Handler(BaseHTTPRequestHandler):
    scripted: ScriptedEndpoint
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        found = self.path == "/v1/models"
        self._send(self.scripted.list_models() if found else Answer(status=404, body=b"no page"))

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["content-length"]))
        if self.path != "/v1/chat/completions":
            self._send(Answer(status=404, body=b"<html><h1>404 Not Found</h1></html>"))
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        self._send(self.scripted.answer_completion(headers, json.loads(data)))

    def log_message(self, format: str, *args: object) -> None:
        del format, args

    def _send(self, answer: Answer) -> None:
        raw = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        try:
            self.send_response_only(answer.status)  # no date but the test's
            kind = "application/json" if not isinstance(answer.body, bytes) else "text/html"
            for name, value in {"content-type": kind, **answer.headers}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(raw)))
            self.end_headers()
            for piece in _bytes_of(raw) if answer.trickle else [raw[: answer.cut]]:
                self.wfile.write(piece)
            if answer.cut is not None:
                self._reset()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client went away, as some tests want it to

    def _reset(self) -> None:
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True


def _bytes_of(data: bytes) -> Iterator[bytes]:
    """Return bytes one by one, a hundred each second."""
    for number in range(len(data)):
        threading.Event().wait(0.01)
        yield data[number : number + 1]
