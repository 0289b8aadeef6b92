"""POST /v1/responses

A self-contained request is answered like any question. One that depends on data stored by the provider (an earlier
response, a conversation, a prompt), or that uses the provider's tools, goes through a worker to the provider and is
never cached. Budgets and limits apply to it as well.
"""

from collections.abc import Iterator

from starlette.requests import Request
from starlette.responses import Response

from askonce.answer import Answer
from askonce.client import Client
from askonce.serve.bodies import read_object
from askonce.serve.doorman import Doorman
from askonce.serve.hanging_up import while_connected
from askonce.serve.refusals import Refused, json_response
from askonce.serve.response_events import failed_response, response_events
from askonce.serve.streaming import EventStreams, streaming
from askonce.serve.what_happened import WhatHappened
from askonce.serve.wishes import question_of


class Responses:
    """timeout: seconds that a request waits, which is also its question's deadline."""

    def __init__(
        self, client: Client, doorman: Doorman, happened: WhatHappened, streams: EventStreams, *, timeout: float
    ) -> None:
        self._client, self._doorman, self._happened, self._timeout = client, doorman, happened, timeout
        self._streams = streams

    async def create(self, request: Request) -> Response:
        """Raises Refused, AskOnceError."""
        key = await self._doorman.admit(request)
        body = await read_object(request)
        streams, _ = streaming(body)
        if streams and body.get("background"):
            raise Refused(400, "background: its events come by GET /v1/responses/ID?stream=true", param="stream")
        question = question_of(body, request.headers, key, "responses")
        asked = self._client.ask(question, timeout=self._timeout)
        if streams:
            return await self._streams.of(request, asked, _events, failed_response)
        answer = await while_connected(request, asked)
        return json_response(answer.body or {}, headers=self._happened.headers_of(answer))


def _events(answer: Answer) -> Iterator[bytes]:
    return response_events(answer.body or {})
