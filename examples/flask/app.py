"""Answers over HTTP, without asyncio: `gunicorn app:app --workers 2 --threads 8`.

Settings come from the environment: ASKONCE_REDIS_URL, ASKONCE_MODEL.
"""

import math
from typing import Any

from flask import Flask, Response, jsonify, request

import askonce

STATUS = {
    askonce.InvalidQuestion: 422,
    askonce.QuestionFailed: 502,
    askonce.QueueFull: 503,
    askonce.StoreUnreachable: 503,
    askonce.AnswerTimeout: 504,
}
app = Flask(__name__)
client = askonce.Client(timeout=20)  # no I/O here, so it may be created before gunicorn forks (--preload)


@app.get("/ask")
def ask() -> dict[str, Any]:
    """Blocks its thread until the answer arrives. All threads of a process share one connection pool."""
    answer = askonce.ask(request.args.get("q", ""), client=client)
    return {"text": answer.text, "source": answer.source, "similarity": answer.similarity}


@app.errorhandler(askonce.AskOnceError)
def refused(error: askonce.AskOnceError) -> tuple[Response, int, dict[str, str]]:
    headers = {"Retry-After": str(math.ceil(error.retry_after))} if isinstance(error, askonce.QueueFull) else {}
    return jsonify(error=str(error)), STATUS[type(error)], headers
