"""Messages between this project and a simulator's process: a JSON header and raw arrays.

A frame is a fixed head (magic, length of the header, length of the body), the header in UTF-8 and
the body: the arrays that the header lists, one after another, little-endian and C-contiguous.
Nothing in it can be anything but numbers and text. Head and HELLO stay as they are in every
version, so that two versions can tell each other which they are.

HELLO → HELLO: version. INIT → READY: features, spaces. RESET → STATE. STEP → STEPPED.
SHUTDOWN → BYE. Instead of an answer: ERROR, after which the worker ends.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Tuple, cast

import numpy as np

VERSION = 1
MAGIC = b"RGIW"
HEAD = struct.Struct("<4sIQ")
MAX_HEADER_BYTES = 1 << 20
MAX_BODY_BYTES = 1 << 32
DTYPES = ("float32", "float64", "int64", "bool")

Arrays = Dict[str, "np.ndarray[Any, Any]"]
ReadExactly = Callable[[int], bytes]
"""Returns so many bytes, or raises EOFError."""


class ProtocolError(Exception):
    """What came is no message of this protocol."""


class VersionError(ProtocolError):
    """The two sides speak different versions."""


def _nothing() -> Dict[str, Any]:
    return {}


@dataclass(frozen=True)
class Message:
    """One message.

    Attributes:
        kind: HELLO, INIT, RESET, STEP, SHUTDOWN, or an answer.
        fields: JSON values by name.
        arrays: arrays by name.
    """

    kind: str
    fields: Dict[str, Any] = field(default_factory=_nothing)
    arrays: Arrays = field(default_factory=_nothing)


def encode(message: Message) -> bytes:
    """Return a message as a frame.

    Raises:
        ProtocolError: an array is of a kind that is not sent.
    """
    parts: List[bytes] = []
    described: List[Dict[str, Any]] = []
    for name, given in message.arrays.items():
        array = np.ascontiguousarray(given)
        if array.dtype.name not in DTYPES:
            raise ProtocolError(
                "array '{}' is {}; valid: {}".format(name, array.dtype.name, ", ".join(DTYPES))
            )
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        described.append({"name": name, "dtype": array.dtype.name, "shape": list(given.shape)})
        parts.append(little.tobytes())
    header = json.dumps(
        {"kind": message.kind, "fields": message.fields, "arrays": described}, allow_nan=False
    ).encode()
    body = b"".join(parts)
    return HEAD.pack(MAGIC, len(header), len(body)) + header + body


def read_message(read: ReadExactly) -> Message:
    """Read one message.

    Raises:
        ProtocolError: the bytes are none.
        EOFError: there are no more.
    """
    magic, header_bytes, body_bytes = HEAD.unpack(read(HEAD.size))
    if magic != MAGIC:
        raise ProtocolError(f"expected a message, found the bytes {magic!r}")
    if header_bytes > MAX_HEADER_BYTES or body_bytes > MAX_BODY_BYTES:
        raise ProtocolError(f"a message of {header_bytes} + {body_bytes} bytes is too long")
    kind, fields, described = _header(read(header_bytes))
    return Message(kind, fields, _arrays(described, read(body_bytes)))


def check_version(message: Message) -> None:
    """Hold a HELLO against our version.

    Raises:
        ProtocolError: it is no HELLO.
        VersionError: the other side speaks another version.
    """
    if message.kind != "HELLO":
        raise ProtocolError(f"expected HELLO, found {message.kind}")
    theirs = message.fields.get("version")
    if theirs != VERSION:
        raise VersionError(
            f"this side speaks version {VERSION} of the protocol, the other side version "
            f"{theirs}: copy rewardgen_worker from the rewardgen that is used to where the "
            "simulator runs"
        )


def _header(data: bytes) -> Tuple[str, Dict[str, Any], List[Any]]:
    try:
        header: Any = json.loads(data.decode("utf-8"))
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise ProtocolError(f"a message's header is no JSON: {error}") from None
    if not isinstance(header, dict):
        raise ProtocolError("a message's header is no object")
    named = cast("Dict[str, Any]", header)
    kind, fields, arrays = named.get("kind"), named.get("fields"), named.get("arrays")
    if not isinstance(kind, str) or not isinstance(fields, dict) or not isinstance(arrays, list):
        raise ProtocolError("a message's header lacks kind, fields or arrays")
    return kind, cast("Dict[str, Any]", fields), cast("List[Any]", arrays)


def _arrays(described: List[Any], body: bytes) -> Arrays:
    arrays: Arrays = {}
    start = 0
    for each in described:
        name, dtype, shape = _description(each)
        count = 1
        for size in shape:
            count *= size
        end = start + count * np.dtype(dtype).itemsize
        if end > len(body):
            raise ProtocolError(f"array '{name}' is longer than the message")
        kind = np.dtype(dtype).newbyteorder("<")
        # a copy: the buffer is read-only, and belongs to the message
        arrays[name] = np.frombuffer(body[start:end], dtype=kind).astype(dtype).reshape(shape)
        start = end
    if start != len(body):
        raise ProtocolError(f"{len(body) - start} bytes of a message belong to no array")
    return arrays


def _description(given: Any) -> Tuple[str, str, List[int]]:
    shown = repr(given)[:100]
    if isinstance(given, dict):
        each = cast("Dict[str, Any]", given)
        name, dtype, shape = each.get("name"), each.get("dtype"), each.get("shape")
        if isinstance(name, str) and dtype in DTYPES and isinstance(shape, list):
            sizes = cast("List[Any]", shape)
            if all(type(size) is int and size >= 0 for size in sizes):
                return name, str(dtype), sizes
    raise ProtocolError(f"a message describes an array as {shown}")
