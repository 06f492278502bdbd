"""Where ``rewardgen`` begins: what a signal does before a command is at work, and after it."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType


def start() -> None:
    """Run the command line and leave with its exit status."""
    heeded = signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
    if heeded:
        # an exception in the middle of an import would surface as any error of that module
        signal.signal(signal.SIGINT, _leave)
    from rewardgen.cli.main import main

    status = main(ready=_heed if heeded else _nothing)
    for kind in (signal.SIGINT, signal.SIGTERM):
        signal.signal(kind, signal.SIG_IGN)  # all is said; what remains takes milliseconds
    sys.exit(status)


def _leave(number: int, frame: FrameType | None) -> None:
    del number, frame
    os.write(2, b"rewardgen: interrupted\n")
    os._exit(130)


def _heed() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _nothing() -> None:
    return None
