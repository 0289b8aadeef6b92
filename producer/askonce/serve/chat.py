"""POST /v1/chat/completions"""

from collections.abc import Iterator
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from askonce.answer import Answer
from askonce.client import Client
from askonce.serve.bodies import read_object
from askonce.serve.completion_chunks import completion_chunks, failed_chunk
from askonce.serve.doorman import Doorman
from askonce.serve.hanging_up import while_connected
from askonce.serve.refusals import json_response
from askonce.serve.streaming import EventStreams, streaming
from askonce.serve.what_happened import WhatHappened, body_of
from askonce.serve.wishes import question_of


class Chat:
    """timeout: seconds that a request waits, which is also its question's deadline."""

    def __init__(
        self, client: Client, doorman: Doorman, happened: WhatHappened, streams: EventStreams, *, timeout: float
    ) -> None:
        self._client, self._doorman, self._happened, self._timeout = client, doorman, happened, timeout
        self._streams = streams

    async def complete(self, request: Request) -> Response:
        """Raises Refused, AskOnceError."""
        key = await self._doorman.admit(request)
        body = await read_object(request)
        question = question_of(body, request.headers, key)
        streams, usage = streaming(body)
        asked = self._client.ask(question, timeout=self._timeout)
        if streams:
            events = partial(_events, usage=usage)
            return await self._streams.of(request, asked, events, failed_chunk)
        answer = await while_connected(request, asked)
        return json_response(body_of(answer), headers=self._happened.headers_of(answer))


def _events(answer: Answer, *, usage: bool) -> Iterator[bytes]:
    return completion_chunks(body_of(answer), usage=usage)
