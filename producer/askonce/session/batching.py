"""Concurrent calls share a round trip: those made while one is in flight go out together in the next."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from askonce.errors import StoreUnreachable
from askonce.tasks import stop

T = TypeVar("T")
R = TypeVar("R")

Waiter = tuple[T, "asyncio.Future[R]"]


class Batcher(Generic[T, R]):
    """Turns calls with one item into calls with many.

    send: gets up to `most` items, and gives for each what the call returns, or raises. The first call goes out at once
    (with all others of the same tick of the event loop). A call that is cancelled in time takes its item back.
    """

    def __init__(self, send: Callable[[list[T]], Awaitable[Sequence[R | Exception]]], *, most: int) -> None:
        self._send = send
        self._most = most
        self._waiting: list[Waiter[T, R]] = []
        self._under_way: list[Waiter[T, R]] = []
        self._sender: asyncio.Task[None] | None = None

    async def __call__(self, item: T) -> R:
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._sender is None:
            self._start()
        return await future

    async def aclose(self) -> None:
        """Calls that still wait raise StoreUnreachable."""
        if self._sender is not None:
            await stop(self._sender)

    def _start(self) -> None:
        self._sender = asyncio.create_task(self._send_all())
        self._sender.add_done_callback(self._ended)

    def _ended(self, sender: "asyncio.Task[None]") -> None:
        self._sender = None
        if sender.cancelled():
            for _, future in [*self._under_way, *self._waiting]:
                if not future.done():
                    future.set_exception(StoreUnreachable("the client was closed"))
            self._waiting = []
        elif self._waiting:
            self._start()

    async def _send_all(self) -> None:
        while self._waiting:
            taken, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
            self._under_way = [waiter for waiter in taken if not waiter[1].done()]
            if self._under_way:
                await self._send_some(self._under_way)
        self._under_way = []

    async def _send_some(self, waiters: "list[Waiter[T, R]]") -> None:
        results: Sequence[R | Exception]
        try:
            results = await self._send([item for item, _ in waiters])
        except Exception as error:  # noqa: BLE001 - it is raised in every caller
            results = [error] * len(waiters)
        for (_, future), result in zip(waiters, results, strict=True):
            if future.done():
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)
