"""`askonce.run`: for scripts and notebooks, which have no event loop, or have one that runs already."""

import asyncio
import contextlib
import threading
from collections.abc import Coroutine, Iterable
from concurrent.futures import Future, wait
from typing import Any, TypeVar

from askonce.answer import Answer
from askonce.client import Client
from askonce.question import Question
from askonce.session.backend import Lane

T = TypeVar("T")
TICK = 0.5
"""Seconds for which Ctrl-C may go unnoticed on Windows, where waiting for a thread holds it off."""
GRACE = 5.0


def run(
    questions: Iterable[Question | str],
    *,
    client: Client | None = None,
    in_flight: int = 5000,
    lane: Lane = "bulk",
    timeout: float | None = None,
    **options: Any,
) -> list[Answer]:
    """The answers in order, failed ones among them: `answer.status` says so.

    options: of `Client`, where none is given. timeout: seconds to each question's deadline. Blocks until all are
    answered. Ctrl-C ends the wait; what was submitted goes on, and is found in the cache the next time.
    Raises what `Client.map` raises.
    """
    if client is not None and options:
        raise TypeError(f"{next(iter(options))} is the client's own: give a client, or its options")
    asked = client or Client(**options)

    async def answers() -> list[Answer]:
        async with asked:
            stream = asked.map(questions, in_flight=in_flight, lane=lane, timeout=timeout)
            return [answer async for _, answer in stream]

    return _on_a_loop_of_its_own(answers())


def _on_a_loop_of_its_own(work: Coroutine[Any, Any, T]) -> T:
    began: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any] | None]] = Future()
    ended: Future[T] = Future()

    async def main() -> T:
        began.set_result((asyncio.get_running_loop(), asyncio.current_task()))
        return await work

    def target() -> None:
        try:
            ended.set_result(asyncio.run(main()))
        except BaseException as error:  # noqa: BLE001 - whoever waits must hear of it
            ended.set_exception(error)

    # A daemon: questions out of a generator that hangs must not keep the program from ending.
    thread = threading.Thread(target=target, name="askonce", daemon=True)
    try:
        thread.start()  # Ctrl-C may come while it starts
        while not ended.done():
            wait([ended], TICK)
    except BaseException:
        with contextlib.suppress(RuntimeError, TimeoutError):  # it has just ended by itself, or never began
            loop, task = began.result(GRACE)
            loop.call_soon_threadsafe(task.cancel if task else loop.stop)
            wait([ended], GRACE)
        raise
    return ended.result()
