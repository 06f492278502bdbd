"""Ctrl-C, and the handler that treats SIGTERM like it: calls end, what came is kept."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from rewardgen.llm.notebook import FileCache
from rewardgen.store.errors import StoreError
from tests.rewardgen.llm.asking import Asking, requests
from tests.rewardgen.llm.server import Answer, Received, ScriptedEndpoint, completion, refusal

ROOT = Path(__file__).parents[3]
PATIENCE_S = 120.0  # for a machine under load; nothing here takes that long

# Asks for two replies: one comes, then the process is to be interrupted.
SCRIPT = """
import asyncio, signal, sys
from pathlib import Path
from tests.rewardgen.llm.asking import Asking, requests

def interrupt(number, frame):
    raise KeyboardInterrupt

def ask():
    asking = Asking(url, Path(directory), timeout_s=600.0)
    asking.endpoint = type(asking.endpoint)(
        asking.settings, seed=7, notebook=asking.notebook, say=lambda text: print(text, flush=True)
    )
    asking.ask(samples=2)

async def cell():
    ask()

url, directory, where = sys.argv[1:]
signal.signal(signal.SIGTERM, interrupt)
if where == "in a loop":
    # as kernels of notebooks do; asyncio.run's own handler waits for a second Ctrl-C
    signal.signal(signal.SIGINT, interrupt)
try:
    asyncio.run(cell()) if where == "in a loop" else ask()
except KeyboardInterrupt:
    print("interrupted", flush=True)
    sys.exit(130)
"""


@pytest.mark.parametrize("where", ["plain", "in a loop"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("state", ["in flight", "asked to wait an hour"])
def test_interrupt_ends_the_process_and_keeps_what_came(
    state: str, number: signal.Signals, where: str, tmp_path: Path
) -> None:
    never, second_sent = threading.Event(), threading.Event()

    def answer(received: Received) -> Answer:
        if received.number == 0:
            return completion("kept")
        second_sent.set()
        if state == "in flight":
            return completion(after=never)
        return refusal(429, "Slow down", headers={"retry-after": "3600"})

    with ScriptedEndpoint(answer) as server:
        process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, server.url, str(tmp_path), where],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            # whoever runs the tests in the background of a shell ignores SIGINT, and so would it
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        try:
            assert second_sent.wait(PATIENCE_S)
            _wait_until_kept(tmp_path)
            if state != "in flight":
                assert process.stdout is not None
                assert "sending nothing for 3,600 s" in process.stdout.readline()
            process.send_signal(number)
            output, _ = process.communicate(timeout=PATIENCE_S)
        finally:
            process.kill()
            process.wait()
        never.set()
    assert output.splitlines()[-1] == "interrupted"
    assert process.returncode == 130
    (path,) = tmp_path.rglob("*.json")
    kept = FileCache(tmp_path).find(path.stem)
    assert kept is not None
    assert kept.text == "kept"
    assert len(server.received) == 2


def _wait_until_kept(directory: Path) -> None:
    for _ in range(int(PATIENCE_S / 0.01)):
        if list(directory.rglob("*.json")):
            return
        threading.Event().wait(0.01)
    raise AssertionError("the first reply was never kept")


@pytest.mark.parametrize("where", ["plain", "in a loop"])
def test_interrupt_while_a_reply_is_kept_leaves_no_thread_behind(
    where: str, tmp_path: Path
) -> None:
    class Interrupted(FileCache):
        def keep(self, *given: object) -> None:
            super().keep(*given)
            raise KeyboardInterrupt

    async def cell() -> None:
        asking.ask(samples=3)

    before = set(threading.enumerate())
    with ScriptedEndpoint([completion()]) as server:
        asking = Asking(server.url, tmp_path / "a", cache=Interrupted(tmp_path / "b"))
        with pytest.raises(KeyboardInterrupt):
            asyncio.run(cell()) if where == "in a loop" else asking.ask(samples=3)
        left = {thread.name for thread in set(threading.enumerate()) - before}
        kept = [asking.notebook.find(r.key(asking.settings, 7)) for r in requests(3)]
    assert any(reply is not None for reply in kept)
    assert "rewardgen-llm" not in left
    assert not [name for name in left if name.startswith(("asyncio", "ThreadPool"))]


@pytest.mark.parametrize("where", ["plain", "in a loop"])
def test_error_while_a_reply_is_kept_reaches_the_caller(where: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    async def cell() -> None:
        asking.ask(samples=3)

    with ScriptedEndpoint([completion()]) as server:
        asking = Asking(server.url, tmp_path / "file")
        with pytest.raises(StoreError, match="cannot write"):
            asyncio.run(cell()) if where == "in a loop" else asking.ask(samples=3)
