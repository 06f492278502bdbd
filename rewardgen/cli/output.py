"""What commands print: results to stdout, everything else to stderr."""

from __future__ import annotations

import json
import sys
from typing import Any


def say(text: str) -> None:
    """Print a result to stdout."""
    print(text, flush=True)  # noqa: T201


def complain(text: str) -> None:
    """Print an error to stderr."""
    print(f"rewardgen: {text}", file=sys.stderr, flush=True)  # noqa: T201


def say_json(value: dict[str, Any]) -> None:
    """Print one JSON object as one line, the last of stdout.

    Raises:
        ValueError: a number is not finite; such a value must be null.
    """
    say(json.dumps(value, allow_nan=False))
