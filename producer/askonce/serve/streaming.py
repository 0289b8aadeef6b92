"""Answers as Server-Sent Events: what a request says of them, and how they leave."""

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from starlette.responses import StreamingResponse

from askonce.serve.refusals import Refused


def streaming(body: Mapping[str, Any]) -> tuple[bool, bool]:
    """Whether the answer is to come in events, and whether the tokens come last. Raises Refused."""
    streams, options = body.get("stream") or False, body.get("stream_options")
    if not isinstance(streams, bool):
        raise Refused(400, "stream is true or false", param="stream")
    if options is None:
        return streams, False
    if not isinstance(options, Mapping) or not streams:
        raise Refused(400, "stream_options is an object, beside stream: true", param="stream_options")
    return streams, options.get("include_usage") is True


def event_stream(events: Iterator[bytes], headers: Mapping[str, str]) -> StreamingResponse:
    more = {**headers, "cache-control": "no-cache"}
    return StreamingResponse(in_turn(events), media_type="text/event-stream", headers=more)


async def in_turn(parts: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Each is made when the one before it is on its way: a slow reader holds up nobody, and little is kept for it."""
    for part in parts:
        yield part
