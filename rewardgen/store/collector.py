"""Python's search for garbage, held back while much is made that stays."""

from __future__ import annotations

import gc
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def no_collection() -> Generator[None]:
    """Look for no cycles of garbage; the rest is freed as always.

    Each look goes through all objects there are. While a log of 100,000 events becomes a state,
    looking in vain takes longer than all else.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
