"""Answers as Server-Sent Events: the request's options, and sending them."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from askonce.answer import Answer
from askonce.errors import AskOnceError
from askonce.json_values import loads
from askonce.serve.hanging_up import begun
from askonce.serve.refusals import Refused, refusal_of
from askonce.serve.what_happened import WhatHappened
from askonce.tasks import stop

log = logging.getLogger("askonce")

Events = Callable[[Answer], Iterator[bytes]]
Failed = Callable[[Mapping[str, Any]], bytes]
"""The event for an error, with the error as in a reply's body."""
COMMENT = b": waiting for the answer\n\n"
EVENTS = "text/event-stream"
HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}
"""The second is for nginx, which would otherwise buffer the events."""


def streaming(body: Mapping[str, Any]) -> tuple[bool, bool]:
    """Whether to stream the answer, and whether to send its usage at the end. Raises Refused."""
    streams, options = body.get("stream") or False, body.get("stream_options")
    if not isinstance(streams, bool):
        raise Refused(400, "stream must be true or false", param="stream")
    if options is None:
        return streams, False
    if not isinstance(options, Mapping) or not streams:
        raise Refused(400, "stream_options must be an object, and requires stream: true", param="stream_options")
    return streams, options.get("include_usage") is True


class EventStreams:
    """happened: for the headers. quiet: seconds without data before a comment is sent."""

    def __init__(self, happened: WhatHappened, *, quiet: float) -> None:
        self._happened, self._quiet = happened, quiet

    async def of(
        self, request: Request, work: Coroutine[Any, Any, Answer], events: Events, failed: Failed
    ) -> StreamingResponse:
        """The answer in events, preceded by comments if it takes long.

        Raises Refused, AskOnceError, so that an error has its status if no comment was sent before.
        """
        task = await begun(request, work, seconds=self._quiet)
        if not task.done():
            return _Late(task, self._late(task, events, failed))
        answer = task.result()
        headers = {**self._happened.headers_of(answer), **HEADERS}
        return StreamingResponse(in_turn(events(answer)), media_type=EVENTS, headers=headers)

    async def _late(self, task: "asyncio.Task[Answer]", events: Events, failed: Failed) -> AsyncIterator[bytes]:
        while not task.done():
            yield COMMENT
            await asyncio.wait({task}, timeout=self._quiet)
        try:
            for part in events(task.result()):
                yield part
        except AskOnceError as error:
            yield _event_of(refusal_of(error), failed)
        except Exception:  # the status has been sent, so the error becomes an event
            log.exception("a stream")
            yield _event_of(Refused(500, "the answer cannot be sent", code="internal_error").response(), failed)


class _Late(StreamingResponse):
    """Cancels the work that it waits for if the client is gone, even before the first comment."""

    def __init__(self, task: "asyncio.Task[Answer]", parts: AsyncIterator[bytes]) -> None:
        super().__init__(parts, media_type=EVENTS, headers=HEADERS)
        self._task = task

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await stop(self._task)


def _event_of(refusal: Response, failed: Failed) -> bytes:
    return failed(loads(bytes(refusal.body))["error"])


async def in_turn(parts: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Each event is built when the previous one has been sent, so a slow reader delays nobody and takes little
    memory."""
    for part in parts:
        yield part
