"""Answers over HTTP: `uvicorn app:app`. Settings come from the environment: ASKONCE_REDIS_URL, ASKONCE_MODEL."""

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import FastAPI, Header, Request
from fastapi.responses import JSONResponse

from askonce import (
    AnswerTimeout,
    AskOnceError,
    Client,
    InvalidQuestion,
    QuestionFailed,
    QueueFull,
    StoreUnreachable,
    UnknownJob,
)

askonce = Client(timeout=60)  # one per process; no I/O here: it connects for the first question
STATUS = {
    InvalidQuestion: 422,
    UnknownJob: 404,
    QuestionFailed: 502,
    QueueFull: 503,
    StoreUnreachable: 503,
    AnswerTimeout: 504,
}


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    yield
    await askonce.aclose()


app = FastAPI(lifespan=lifespan)


@app.exception_handler(AskOnceError)
async def refused(_: Request, error: AskOnceError) -> JSONResponse:
    headers = {"Retry-After": str(math.ceil(error.retry_after))} if isinstance(error, QueueFull) else None
    return JSONResponse({"detail": str(error)}, STATUS[type(error)], headers)


@app.get("/ask")
async def ask(q: str) -> dict[str, Any]:
    """Waits for the answer: a millisecond if it is cached, else as long as the model takes."""
    answer = await askonce.ask(q)
    return {"text": answer.text, "source": answer.source, "similarity": answer.similarity}


@app.post("/jobs", status_code=202)
async def submit(q: str, idempotency_key: Annotated[str | None, Header()] = None) -> dict[str, str]:
    """Accepts a question to be answered later. The same key is the same job; with another question it is rejected."""
    return {"job_id": await askonce.submit(q, job_id=idempotency_key)}


@app.get("/jobs/{job_id}")
async def result(job_id: str) -> dict[str, Any]:
    """Works in any process, any number of times, for a day."""
    try:
        answer = await askonce.result(job_id, timeout=0)
    except AnswerTimeout:
        return {"status": "pending"}
    except QuestionFailed as error:
        return {"status": "failed", "error": str(error)}
    return {"status": "answered", "text": answer.text, "source": answer.source}
