"""Runs a coroutine in its own thread, for a caller without an event loop or inside a running one."""

import asyncio
import contextlib
import math
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, wait
from typing import Any, TypeVar

from askonce.background import TICK
from askonce.errors import AnswerTimeout

T = TypeVar("T")
Running = tuple[asyncio.AbstractEventLoop, asyncio.Task[Any] | None]
GRACE = 5.0


def on_a_loop_of_its_own(
    work: Coroutine[Any, Any, T], timeout: float | None, *, meanwhile: Callable[[], None] = lambda: None
) -> T:
    """The result of some work. Ctrl-C cancels it.

    Args:
        timeout: Seconds after which the work itself should have ended; a little later it is left alone.
        meanwhile: Called in the caller's thread, twice a second.

    Raises AnswerTimeout if it was left alone, and whatever the work raises.
    """
    began: Future[Running] = Future()
    ended: Future[T] = Future()

    async def main() -> T:
        began.set_result((asyncio.get_running_loop(), asyncio.current_task()))
        return await work

    def target() -> None:
        try:
            ended.set_result(asyncio.run(main()))
        except BaseException as error:  # noqa: BLE001 - the caller gets it
            ended.set_exception(error)

    # A daemon: questions out of a generator that hangs must not keep the program from ending.
    thread = threading.Thread(target=target, name="askonce", daemon=True)
    try:
        thread.start()  # Ctrl-C may come while it starts
        until = math.inf if timeout is None else time.monotonic() + timeout + GRACE
        while not ended.done() and time.monotonic() < until:
            wait([ended], min(TICK, max(0.0, until - time.monotonic())))
            meanwhile()
    except BaseException:
        _cancel(began, ended)
        raise
    if not ended.done():
        raise AnswerTimeout("", f"not all answers within {timeout:g} s: the source of the questions blocks")
    return ended.result()


def _cancel(began: Future[Running], ended: Future[T]) -> None:
    with contextlib.suppress(RuntimeError, TimeoutError):  # it has just ended, or never began
        loop, task = began.result(GRACE)
        loop.call_soon_threadsafe(task.cancel if task else loop.stop)
        wait([ended], GRACE)
