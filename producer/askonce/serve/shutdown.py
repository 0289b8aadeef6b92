"""Graceful shutdown: idle work ends at once, and clients that are cut off at the end are told to retry."""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from askonce.serve.refusals import Refused

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def when_told_to_stop(then: Callable[[], None]) -> Iterator[None]:
    """Call `then` in the loop on SIGTERM or SIGINT, in addition to the signal's own handler. Needed because uvicorn
    ends an app's lifespan only after requests in flight have ended."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals do not arrive in other threads
        return
    loop = asyncio.get_running_loop()
    before = {each: known for each in SIGNALS if callable(known := signal.getsignal(each))}

    def told(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(then)
        before[signal.Signals(number)](number, frame)

    for each in before:
        signal.signal(each, told)
    try:
        yield
    finally:
        for each, known in before.items():
            signal.signal(each, known)


class CutOff:
    """An app whose requests are cancelled when their time for shutdown is over, which is not a server error."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def sent(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, sent)
        except asyncio.CancelledError:
            if begun or scope["type"] != "http":
                raise
            refused = Refused(
                503, "the server is shutting down: retry the request", code="server_ending", retry_after=1
            )
            await refused.response()(scope, receive, send)
