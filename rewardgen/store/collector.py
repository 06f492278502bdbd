"""Python's search for garbage, held back while much is made that stays."""

from __future__ import annotations

import gc
from collections.abc import Generator
from contextlib import contextmanager

_MANY = 50_000


@contextmanager
def no_collection() -> Generator[None]:
    """Look for no cycles of garbage; the rest is freed as always.

    Each look goes through all objects there are. While a log of 100,000 events becomes a state,
    looking in vain takes longer than all else. Where that many were made, later looks leave out
    what there is now: the first three would take as long as reading the log.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        if gc.get_count()[0] > _MANY:
            gc.freeze()
        gc.enable()
