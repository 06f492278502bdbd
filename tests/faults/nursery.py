"""A process that has imported everything and forks a child for each command.

Starting the product anew takes seconds; a fork takes none. Requests and answers are JSON lines:
``start`` forks and answers with a process id, ``wait`` answers with how that process ended.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

from tests.faults.injection import Injection, Plan
from tests.faults.memory import remember

PATIENCE_S = 300  # a child that hangs is ended, so that its test fails
_NEEDED = (
    "rewardgen.api",
    "rewardgen.cli.resume",
    "rewardgen.cli.run",
    "rewardgen.cli.runs",
    "rewardgen.llm.client",
    "rewardgen.report.plots",
    "tensorboard.summary.writer.record_writer",
    "matplotlib.backends.backend_svg",
    "openai.types.chat",
    "scipy.stats",
)


def main() -> None:
    """Serve requests until stdin ends."""
    os.environ.pop("LD_PRELOAD", None)  # loaded here; programs that are started go without
    for name in _NEEDED:
        importlib.import_module(name)
    for line in sys.stdin:
        request: dict[str, Any] = json.loads(line)
        if "wait" in request:
            _, status = os.waitpid(request["wait"], 0)
            answer = os.waitstatus_to_exitcode(status)
        else:
            answer = os.fork()
            if answer == 0:
                _child(request)
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()


def _child(request: dict[str, Any]) -> None:
    """Run one command in this process, and end it."""
    status = 70
    try:
        signal.alarm(PATIENCE_S)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        status = _run(request)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _run(request: dict[str, Any]) -> int:
    folder = Path(request["folder"])
    for number, name in ((0, os.devnull), (1, folder / "out"), (2, folder / "err")):
        flags = os.O_RDONLY if number == 0 else os.O_CREAT | os.O_WRONLY | os.O_APPEND
        descriptor = os.open(name, flags, 0o644)
        os.dup2(descriptor, number)
        os.close(descriptor)
    if request["whole"]:
        os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["cwd"])
    if request["remembered"]:
        remember(Path(request["memory"]))
    _pretend(request["versions"])
    if request["instant"]:
        _sleep_at_once()
    if not request["reserve"]:
        _need_no_space()
    if request["files"]:
        resource.setrlimit(resource.RLIMIT_NOFILE, (request["files"],) * 2)
    injection = Injection(
        Plan(**request["plan"]), Path(request["below"]), Path(request["acknowledged"])
    )
    injection.install()
    from rewardgen.cli.main import main as command

    status = command(request["arguments"])
    (folder / "count").write_text(str(injection.count))
    return status


def _sleep_at_once() -> None:
    """Let an endpoint's pauses take no time, on a clock that they move."""
    from rewardgen.llm.client import Endpoint
    from rewardgen.run import designers

    slept_s = 0.0

    async def sleep(seconds: float) -> None:
        nonlocal slept_s
        slept_s += seconds
        await asyncio.sleep(0)

    defaults = Endpoint.__init__.__kwdefaults__
    assert defaults is not None
    defaults |= {"sleep": sleep, "clock": lambda: time.monotonic() + slept_s}
    vars(designers)["_sleep"] = lambda session: sleep  # a run has its own, for its deadline


def _pretend(versions: dict[str, str]) -> None:
    """Let packages be of other versions than they are."""
    from rewardgen.store import manifest

    installed: Callable[[str], str | None] = vars(manifest)["_installed"]

    def version(package: str) -> str | None:
        return versions.get(package) or installed(package)

    mock.patch.object(manifest, "_installed", version).start()


def _need_no_space() -> None:
    """Let a run start rungs on a disk that is nearly full."""
    from rewardgen.run import journal

    for name in ("_RESERVE_BYTES", "_MEMBER_BYTES"):
        mock.patch.object(journal, name, 0).start()


if __name__ == "__main__":
    main()
