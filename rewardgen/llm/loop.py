"""Runs asynchronous work from synchronous code, also where a loop runs already (notebooks)."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

# Does something in the thread that waits for the work: a database belongs to its thread.
OnCaller = Callable[[Callable[[], None]], Awaitable[None]]
Work = Callable[[OnCaller], Coroutine[Any, Any, "_T"]]
_T = TypeVar("_T")


def run_to_end(work: Work[_T]) -> _T:
    """Run a coroutine and return its result.

    An interrupt cancels it and waits until it has cleaned up.
    """
    return _beside_running_loop(work) if _loop_runs() else asyncio.run(work(_at_once))


def _loop_runs() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def _at_once(action: Callable[[], None]) -> None:
    action()


def _beside_running_loop(work: Work[_T]) -> _T:
    """Run it in a thread of its own, as a thread can run one loop only."""
    actions: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
    loop = asyncio.new_event_loop()
    outcome: Future[_T] = Future()

    async def on_caller(action: Callable[[], None]) -> None:
        done: Future[None] = Future()
        actions.put(lambda: _settle(done, action))
        await asyncio.wrap_future(done)

    async def main() -> _T:
        return await work(on_caller)

    def run() -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                result = runner.run(main())
        except BaseException as error:
            outcome.set_exception(error)
        else:
            outcome.set_result(result)
        finally:
            actions.put(None)

    thread = threading.Thread(target=run, name="rewardgen-llm", daemon=True)
    thread.start()
    try:
        while (action := actions.get()) is not None:
            action()
    except BaseException:
        with contextlib.suppress(RuntimeError):  # it ended just now
            loop.call_soon_threadsafe(_cancel_all, loop)
        thread.join()
        while (action := actions.get()) is not None:
            action()
        raise
    return outcome.result()


def _settle(done: Future[None], action: Callable[[], None]) -> None:
    awaited = done.set_running_or_notify_cancel()
    try:
        action()
    except Exception as error:
        if not awaited:
            raise
        done.set_exception(error)
    else:
        if awaited:
            done.set_result(None)


def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    for task in asyncio.all_tasks(loop):
        task.cancel()
