"""One event loop in its own thread, for callers that have none. It is created on first use and closed at exit."""

import asyncio
import atexit
import os
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from askonce.client import Client

T = TypeVar("T")
TICK = 0.5
"""Seconds for which Ctrl-C may go unnoticed on Windows, where waiting for a thread holds it off."""
CLOSING = 5.0
"""Seconds that the end of the program waits for open connections to close."""


@dataclass(frozen=True, slots=True)
class _Running:
    thread: threading.Thread
    loop: asyncio.AbstractEventLoop
    ending: asyncio.Event


class Background:
    """Its thread and loop, and the clients that were used on it. A fork starts without them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: _Running | None = None
        self._client: Client | None = None
        self._clients: set[Client] = set()
        self._inherited: list[object] = []

    def client(self) -> Client:
        """The shared client, made of the environment."""
        with self._lock:
            if self._client is None:
                self._client = Client()
            return self._client

    def run(self, client: Client, work: Coroutine[Any, Any, T]) -> T:
        """The result of some work with a client. Ctrl-C cancels the work."""
        with self._lock:
            if self._running is None:
                self._running = _start()
            self._clients.add(client)
            loop = self._running.loop
        future = asyncio.run_coroutine_threadsafe(work, loop)
        try:
            return _result(future)
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """Closes the clients' connections, and ends the thread. The next `run` starts it again."""
        with self._lock:
            running, self._running = self._running, None
            clients, self._clients = self._clients, set()
        if running is not None:
            with suppress(TimeoutError):
                asyncio.run_coroutine_threadsafe(_close(clients), running.loop).result(CLOSING)
            running.loop.call_soon_threadsafe(running.ending.set)
            running.thread.join(CLOSING)

    def forget(self) -> None:
        """In the child of a fork, where the thread does not run. What is inherited is kept, and left alone: closing it
        would disturb the parent."""
        self._inherited.append((self._running, self._clients))
        self._lock = threading.Lock()
        self._running, self._clients = None, set()


def _start() -> _Running:
    began: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def serve() -> None:
        ending = asyncio.Event()
        began.set_result((asyncio.get_running_loop(), ending))
        await ending.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="askonce", daemon=True)
    thread.start()
    loop, ending = began.result()
    return _Running(thread, loop, ending)


async def _close(clients: set[Client]) -> None:
    await asyncio.gather(*(client.aclose() for client in clients), return_exceptions=True)


def _result(future: "Future[T]") -> T:
    while True:
        try:
            return future.result(TICK)
        except TimeoutError:
            if future.done():
                return future.result()


BACKGROUND = Background()
atexit.register(BACKGROUND.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=BACKGROUND.forget)
