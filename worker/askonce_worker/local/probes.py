"""One real request to each part. None of these raises: a part that has not started yet does not answer."""

import json
from http.client import HTTPConnection, HTTPException
from typing import Any

import grpc
import redis

TIMEOUT = 5.0


def redis_answers(port: int) -> bool:
    try:
        with redis.Redis(port=port, socket_timeout=TIMEOUT) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def qdrant_answers(port: int) -> bool:
    """Lists the collections. (Raw bytes, because importing the official client takes longer than everything else.)"""
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.enable_http_proxy", 0)]) as channel:
        try:
            channel.unary_unary("/qdrant.Collections/List")(b"", timeout=TIMEOUT)
        except grpc.RpcError:
            return False
    return True


def embeddings_answer(port: int, model: str) -> bool:
    reply = _post(port, "/v1/embeddings", {"model": model, "input": "ready?"})
    return reply is not None and bool(reply["data"][0]["embedding"])


def llm_answers(port: int, model: str) -> bool:
    question = {"role": "user", "content": "ready?"}
    reply = _post(port, "/v1/chat/completions", {"model": model, "messages": [question], "max_tokens": 1})
    return reply is not None and bool(reply["choices"])


def front_door_answers(port: int) -> bool:
    """Whether it is ready, which takes an answer from Redis."""
    return _requested(port, "GET", "/readyz") is not None


def _post(port: int, path: str, body: dict[str, Any]) -> dict[str, Any] | None:
    return _requested(port, "POST", path, json.dumps(body))


def _requested(port: int, method: str, path: str, body: str | None = None) -> dict[str, Any] | None:
    connection = HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer: dict[str, Any] = json.loads(response.read())
    except (OSError, HTTPException, ValueError):
        return None
    finally:
        connection.close()
    return answer if response.status == 200 else None
