"""Wrappers as designers hear of them, and as they name them in a line of their reply."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, cast

from pydantic import JsonValue
from pydantic.fields import FieldInfo

from rewardgen.rewards.wrappers.catalogue import WRAPPERS, Wrapper

_LINE = re.compile(r"^[ \t>*_-]*wrapper[*_]*[ \t]*:[*_ \t]*(.+)$", re.IGNORECASE | re.M)
_OBJECT = re.compile(r"\{.*\}")
_WORD = re.compile(r"[`\"']?([\w-]+)[`\"']?\.?\s*")
_FENCE = re.compile(r"^ {0,3}```", re.M)
_NONE = ("none", "null", "no")
_LONGEST = 1000
_MOST_BRACKETS = 50
"""Nested deeper, an object is no wrapper, and neither parsed nor stored as one."""


def wrapper_line(wrapper: JsonValue) -> str:
    """Return the line that names a wrapper."""
    text = wrapper if isinstance(wrapper, str) else json.dumps(wrapper, ensure_ascii=False)
    return f"Wrapper: {text}"


def named_wrapper(reply: str) -> JsonValue:
    """Return what a reply names as a wrapper: an object, the text if it is none, or None.

    What it means is for the check to say.
    """
    # inside of a block the line would be code
    outside = "\n".join(_FENCE.split(reply)[::2])
    found = _LINE.search(outside)
    if found is None:
        return None
    line = found[1].encode(errors="replace").decode()
    given, word = _OBJECT.search(line), _WORD.fullmatch(line)
    if given is None:
        return None if word is None or word[1].lower() in _NONE else word[1][:_LONGEST]
    text = given[0][:_LONGEST]
    if text.count("{") + text.count("[") > _MOST_BRACKETS:
        return text
    try:
        value = json.loads(text)
        # numbers and characters that JSON cannot hold
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except ValueError:
        return text
    return cast(JsonValue, value) if isinstance(value, dict) else text


def catalogue() -> Iterator[str]:
    """Yield every wrapper in a line: name, parameters, what it pays, when to use it."""
    for name, kind in WRAPPERS.items():
        yield f"`{name}`: pays {kind.formula}. Use: {kind.use}. Parameters: {_parameters(kind)}"


def _parameters(kind: type[Wrapper]) -> str:
    fields = {name: field for name, field in kind.model_fields.items() if name != "name"}
    return "; ".join(f"`{name}`{_default(field)}: {_said(field)}" for name, field in fields.items())


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return ""
    value: Any = field.get_default()
    return f" (default {json.dumps(value)})"


def _said(field: FieldInfo) -> str:
    return " ".join((field.description or "").split()).rstrip(".")
