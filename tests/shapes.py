"""The check of tensor shapes that every function of the packages passes through in tests."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from beartype import beartype
from beartype.roar import BeartypeDecorHintPep3119Exception

_SHAPED = re.compile(r"\b(Float|Int|Bool|Shaped)\d*\[")


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """Check arguments and result at each call of a function that declares a tensor's shape.

    Others are left alone: what they do with a wrong argument is for their own tests. So is one
    with a protocol that knows no isinstance().
    """
    if not any(_SHAPED.search(str(kind)) for kind in function.__annotations__.values()):
        return function
    try:
        return beartype(function)
    except BeartypeDecorHintPep3119Exception:
        return function
