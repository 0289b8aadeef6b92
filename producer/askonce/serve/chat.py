"""POST /v1/chat/completions"""

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from askonce.client import Client
from askonce.serve.bodies import read_object
from askonce.serve.completion_chunks import completion_chunks
from askonce.serve.doorman import Doorman
from askonce.serve.hanging_up import while_connected
from askonce.serve.refusals import Refused, json_response
from askonce.serve.what_happened import body_of, headers_of
from askonce.serve.wishes import question_of


class Chat:
    """timeout: seconds for which a request waits, and its question's deadline."""

    def __init__(self, client: Client, doorman: Doorman, *, timeout: float) -> None:
        self._client, self._doorman, self._timeout = client, doorman, timeout

    async def complete(self, request: Request) -> Response:
        """Raises Refused, AskOnceError."""
        key = await self._doorman.admit(request)
        body = await read_object(request)
        question = question_of(body, request.headers, key.namespace)
        streams, usage = _streaming(body)
        answer = await while_connected(request, self._client.ask(question, timeout=self._timeout))
        if not streams:
            return json_response(body_of(answer), headers=headers_of(answer))
        events = _in_turn(completion_chunks(body_of(answer), usage=usage))
        headers = {**headers_of(answer), "cache-control": "no-cache"}
        return StreamingResponse(events, media_type="text/event-stream", headers=headers)


def _streaming(body: Mapping[str, Any]) -> tuple[bool, bool]:
    """Whether the answer is to come in events, and whether the tokens come last. Raises Refused."""
    streams, options = body.get("stream") or False, body.get("stream_options")
    if not isinstance(streams, bool):
        raise Refused(400, "stream is true or false", param="stream")
    if options is None:
        return streams, False
    if not isinstance(options, Mapping) or not streams:
        raise Refused(400, "stream_options is an object, beside stream: true", param="stream_options")
    return streams, options.get("include_usage") is True


async def _in_turn(events: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Each is made when the one before it is on its way: a slow reader holds up nobody, and little is kept for it."""
    for event in events:
        yield event
