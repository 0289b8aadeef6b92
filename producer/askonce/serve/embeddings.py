"""POST /v1/embeddings

Each input is a separate question that is matched exactly. So a text that was embedded before is not paid for again,
whatever else the request contains. Workers answer these questions like all others, so the answers outlive the request
and the server.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from typing import Any, cast

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from askonce.answer import Answer
from askonce.canonical_endpoints import has_floats
from askonce.client import Client
from askonce.embedding_request import several_inputs
from askonce.errors import AnswerTimeout, QuestionFailed
from askonce.question import Question
from askonce.replies.embeddings import encoded_as
from askonce.serve.bodies import read_object
from askonce.serve.doorman import Doorman
from askonce.serve.hanging_up import while_connected
from askonce.serve.refusals import Refused
from askonce.serve.streaming import in_turn
from askonce.serve.what_happened import WhatHappened
from askonce.serve.wishes import question_of

Pairs = AsyncGenerator[tuple[Question, Answer], None]
ENCODINGS = ("float", "base64")


class Embeddings:
    """timeout: seconds that a request waits, which is also its questions' deadline."""

    def __init__(self, client: Client, doorman: Doorman, happened: WhatHappened, *, timeout: float) -> None:
        self._client, self._doorman, self._happened, self._timeout = client, doorman, happened, timeout

    async def create(self, request: Request) -> Response:
        """Raises Refused, AskOnceError."""
        key = await self._doorman.admit(request)
        body = await read_object(request)
        questions = [
            question_of({**body, "input": each}, request.headers, key, "embeddings") for each in several_inputs(body)
        ]
        encoding = _encoding(questions[0])
        answers = await while_connected(request, self._ask(questions))
        parts = in_turn(_reply(answers, encoding))
        return StreamingResponse(parts, media_type="application/json", headers=self._happened.headers_of_all(answers))

    async def _ask(self, questions: Sequence[Question]) -> list[Answer]:
        """The answers in the order of the questions. Raises AskOnceError."""
        if len(questions) == 1:
            return [await self._client.ask(questions[0], timeout=self._timeout)]
        asked = self._client.map(questions, in_flight=len(questions), lane="interactive", timeout=self._timeout)
        try:
            async with asyncio.timeout(self._timeout), aclosing(cast(Pairs, asked)) as pairs:
                answers = [answer async for _, answer in pairs]
        except TimeoutError as error:
            raise AnswerTimeout("") from error
        for answer in answers:
            if answer.error is not None:
                raise QuestionFailed(answer)
        return answers


def _encoding(question: Question) -> str | None:
    """The requested encoding of the vectors; None: as the provider sent them. Raises Refused."""
    if not has_floats(question.params):
        return None
    encoding = question.params.get("encoding_format") or ENCODINGS[0]
    if encoding not in ENCODINGS:
        raise Refused(400, f"encoding_format must be one of {', '.join(ENCODINGS)}", param="encoding_format")
    return str(encoding)


def _reply(answers: Sequence[Answer], encoding: str | None) -> Iterator[bytes]:
    """Builds the reply vector by vector, so that other requests are served in between: thousands of vectors are
    megabytes."""
    separator = b'{"object":"list","data":['
    for index, answer in enumerate(answers):
        body = answer.body or {}
        [item] = (body if encoding is None else encoded_as(body, encoding))["data"]
        yield separator + orjson.dumps({**item, "index": index})
        separator = b","
    facts = {"model": answers[0].model, "usage": _usage(answers)}
    yield b"]," + orjson.dumps(facts)[1:]


def _usage(answers: Sequence[Answer]) -> dict[str, Any]:
    """The sum of the usage that the provider reported when each text was embedded."""
    counts = {"prompt_tokens": 0, "total_tokens": 0}
    for answer in answers:
        for name in counts:
            counts[name] += (answer.usage or {}).get(name, 0)
    return counts
