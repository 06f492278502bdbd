"""Results of a rival that take long: measured once, found again by all that they depend on."""

from __future__ import annotations

import json
import os
from typing import Any

from benchmarks.harness import RESULTS, commit, machine

Key = dict[str, Any]


def find(name: str, key: Key) -> dict[str, Any] | None:
    """Return the figures that were kept last under a key, None if there are none.

    Args:
        name: of the benchmark.
        key: plain data; every entry must be equal.
    """
    path = RESULTS / f"{name}_reference.jsonl"
    if not path.is_file():
        return None
    lines = [json.loads(text) for text in path.read_text(encoding="utf-8").splitlines()]
    plain = json.loads(json.dumps(key))
    return next((line["figures"] for line in reversed(lines) if line["key"] == plain), None)


def keep(name: str, key: Key, figures: dict[str, Any]) -> None:
    """Add a result, with commit, machine and load."""
    line = {
        "commit": commit(),
        "machine": machine(),
        "load": round(os.getloadavg()[0], 2),
        "key": key,
        "figures": figures,
    }
    RESULTS.mkdir(exist_ok=True)
    with (RESULTS / f"{name}_reference.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, allow_nan=False) + "\n")
