"""What the test server does with a request: count it, wait as told, answer or fail as told."""

import asyncio
import math
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import orjson

from askonce.contract.counters import tokens as counted
from askonce.embedding_request import is_tokens
from support.openai_server.batches import Batches
from support.openai_server.counters import Counters
from support.openai_server.http import Connection
from support.openai_server.replies import completion, embeddings, error, prompt_tokens, tokens_of, user_text
from support.openai_server.responses import response, stored
from support.openai_server.script import Failure, Script


class Endpoint:
    """One of the two APIs: its orders and what it has seen."""

    def __init__(self) -> None:
        self.script = Script()
        self.seen = Counters()


class Server:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._reset()

    def _reset(self) -> None:
        self.connections = 0
        self._endpoints = {name: Endpoint() for name in ("chat", "embeddings", "responses")}
        self._batches = Batches(self._endpoints["chat"].script)

    def handle(self, connection: Connection, url: str, raw: bytes, headers: dict[str, str]) -> None:
        path, _, query = url.partition("?")
        try:
            if path.endswith("/chat/completions"):
                self._chat(connection, raw, url, headers)
            elif path.endswith("/responses"):
                self._responses(connection, raw, url, headers)
            elif "/responses/" in path:
                connection.send_json(200, stored(path.rpartition("/responses/")[2]))
            elif path.endswith("/embeddings"):
                self._embeddings(connection, raw, url, headers)
            elif path.startswith(("/v1/files", "/v1/batches")):
                self._batch(connection, path, query, raw)
            elif path == "/control":
                connection.send_json(200, self._control(orjson.loads(raw)))
            elif path == "/stats":
                connection.send_json(200, self._stats(brief="brief" in query))
            else:
                connection.send_json(404, error(404, f"no such path: {path}"))
        except (ValueError, KeyError, TypeError, AttributeError) as reason:
            connection.send_json(400, error(400, f"{type(reason).__name__}: {reason}"))

    def _control(self, orders: dict[str, Any]) -> dict[str, Any]:
        if orders.pop("reset", False):
            self._reset()
        self._batches.order(orders.pop("batches", None) or {})
        for name, endpoint in self._endpoints.items():
            endpoint.script.order(orders.pop(name, None) or {})
        if orders:
            raise ValueError(f"no such orders: {sorted(orders)}")
        return {"now": time.monotonic()}

    def _stats(self, *, brief: bool) -> dict[str, Any]:
        reports = {name: endpoint.seen.report(brief=brief) for name, endpoint in self._endpoints.items()}
        batches = self._batches.stats(brief=brief)
        return {"now": time.monotonic(), "connections": self.connections, **reports, "batches": batches}

    def _batch(self, connection: Connection, path: str, query: str, raw: bytes) -> None:
        reply = self._batches.handle(connection.method, path, dict(parse_qsl(query)), raw)
        if reply is None:
            connection.reset()
        else:
            connection.send(*reply)

    def _chat(self, connection: Connection, raw: bytes, url: str, headers: dict[str, str]) -> None:
        request = orjson.loads(raw)
        endpoint = self._endpoints["chat"]
        script, seen = endpoint.script, endpoint.seen
        text = user_text(request)
        seen.arrived(time.monotonic(), [text], raw, url, headers)
        number = seen.calls

        def answer(failure: Failure | None) -> bytes:
            body = completion(request, raw, number, script, failure)
            seen.tokens(*counted(body))
            seen.bill += script.charge(request.get("model"), body)
            return orjson.dumps(body)

        self._serve(connection, endpoint, [text], prompt_tokens(request), answer, request.get("service_tier"))

    def _responses(self, connection: Connection, raw: bytes, url: str, headers: dict[str, str]) -> None:
        request = orjson.loads(raw)
        endpoint = self._endpoints["responses"]
        seen, text = endpoint.seen, user_text(request)
        seen.arrived(time.monotonic(), [text], raw, url, headers)
        number = seen.calls

        def answer(failure: Failure | None) -> bytes:
            body = response(request, number, endpoint.script, failure)
            seen.tokens(*counted(body))
            return orjson.dumps(body)

        self._serve(connection, endpoint, [text], prompt_tokens(request), answer, request.get("service_tier"))

    def _embeddings(self, connection: Connection, raw: bytes, url: str, headers: dict[str, str]) -> None:
        request = orjson.loads(raw)
        endpoint = self._endpoints["embeddings"]
        given = request["input"]
        texts = [str(each) for each in ([given] if isinstance(given, str) or is_tokens(given) else given)]
        tokens = sum(tokens_of(text) for text in texts)
        seen = endpoint.seen
        seen.arrived(time.monotonic(), texts, raw, url, headers)
        seen.max_batch_bytes = max(seen.max_batch_bytes, sum(len(text.encode()) for text in texts))

        def answer(failure: Failure | None) -> bytes:
            seen.tokens(tokens, 0)
            return embeddings(request, texts, endpoint.script, failure)

        self._serve(connection, endpoint, texts, tokens, answer)

    def _serve(
        self,
        connection: Connection,
        endpoint: Endpoint,
        texts: list[str],
        tokens: int,
        answer: Callable[[Failure | None], bytes],
        tier: str | None = None,
    ) -> None:
        script, seen = endpoint.script, endpoint.seen
        if _over_the_limit(connection, endpoint, tokens):
            return
        failure = script.failure(texts, tier)
        delay = script.delay(len(texts)) if failure is None or failure.latency_ms is None else failure.latency_ms / 1000

        def finish() -> None:
            seen.in_flight -= 1
            if failure is not None:
                seen.failed += 1
            else:
                seen.answered += 1
            _reply(connection, failure, answer)

        timer: Any = None

        def gone() -> None:
            seen.in_flight -= 1
            seen.disconnected += 1
            if timer is not None:
                timer.cancel()

        if failure is not None and failure.kind == "hang":
            connection.when_lost(gone)
        elif delay > 0:
            connection.when_lost(gone)
            timer = self._loop.call_later(delay, finish)
        else:
            finish()


def _over_the_limit(connection: Connection, endpoint: Endpoint, tokens: int) -> bool:
    limit, seen = endpoint.script.limit, endpoint.seen
    wait = limit.over(time.monotonic(), tokens) if limit else None
    if wait is None:
        return False
    seen.in_flight -= 1
    seen.refused_by_limit += 1
    headers = {"retry-after": str(math.ceil(wait)), "retry-after-ms": str(math.ceil(wait * 1000))}
    connection.send_json(429, error(429, "Rate limit reached", "rate_limit_exceeded"), headers)
    return True


def _reply(connection: Connection, failure: Failure | None, answer: Callable[[Failure | None], bytes]) -> None:
    if failure is None:
        connection.send(200, answer(None))
    elif failure.kind in ("status", "body"):
        status = failure.status if failure.kind == "status" else 200
        body = failure.whole() or orjson.dumps(error(failure.status, failure.message, failure.code))
        connection.send(status, body, failure.extra_headers())
    elif failure.kind == "malformed":
        connection.send(200, b'{"choices": [{"mess')
    elif failure.kind == "cut":
        connection.cut(answer(None))
    elif failure.kind == "reset":
        connection.reset()
    else:
        connection.send(200, answer(failure))
