"""Answers over HTTP: `fastapi run examples/fastapi_app.py`, beside a running worker.

Settings come from the environment: ASKONCE_REDIS_URL, ASKONCE_MODEL.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, HTTPException

from askonce import AnswerTimeout, Client, InvalidQuestion, QuestionFailed, QueueFull, UnknownJob

askonce = Client()  # no I/O here: it connects with the first question


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    yield
    await askonce.aclose()


app = FastAPI(lifespan=lifespan)


@app.get("/ask")
async def ask(q: str) -> dict[str, Any]:
    """Waits for the answer: a millisecond where it is cached, the model's own time where it is not."""
    try:
        answer = await askonce.ask(q, timeout=60)
    except InvalidQuestion as error:
        raise HTTPException(422, str(error)) from error
    except QueueFull as error:
        raise HTTPException(503, str(error), headers={"Retry-After": f"{error.retry_after:.0f}"}) from error
    except AnswerTimeout as error:
        raise HTTPException(504, "no answer within a minute: ask again, or POST /jobs and come back") from error
    except QuestionFailed as error:
        raise HTTPException(502, str(error)) from error
    return {"text": answer.text, "source": answer.source, "similarity": answer.similarity}


@app.post("/jobs", status_code=202)
async def submit(q: str) -> dict[str, str]:
    """Accepts a question and answers later."""
    return {"job_id": await askonce.submit(q)}


@app.get("/jobs/{job_id}")
async def result(job_id: str) -> dict[str, Any]:
    """From any process, any number of times, for a day."""
    try:
        answer = await askonce.result(job_id, timeout=0)
    except AnswerTimeout:
        return {"status": "pending"}
    except UnknownJob as error:
        raise HTTPException(404, str(error)) from error
    except QuestionFailed as error:
        return {"status": "failed", "error": str(error)}
    return {"status": "answered", "text": answer.text, "source": answer.source}
