"""Calls are served one at a time; health checks do not wait."""

from collections import deque
from collections.abc import Callable
from threading import Lock
from types import TracebackType
from typing import Any

import grpc
from google.protobuf.message import Message

HEALTH_CHECK = "/qdrant.Qdrant/HealthCheck"


class Turns:
    """A fair lock: first come, first served. Uncontended, it costs no thread switch."""

    def __init__(self) -> None:
        self._guard = Lock()
        self._held = False
        self._waiting: deque[Lock] = deque()

    def __enter__(self) -> None:
        with self._guard:
            if not self._held:
                self._held = True
                return
            mine = Lock()
            mine.acquire()
            self._waiting.append(mine)
        mine.acquire()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._held = False


class InTurn(grpc.ServerInterceptor):  # type: ignore[misc]
    def __init__(self, turns: Turns) -> None:
        self._turns = turns

    def intercept_service(self, continuation: Callable[[Any], Any], details: Any) -> Any:
        handler = continuation(details)
        if handler is None or details.method == HEALTH_CHECK:
            return handler

        def answer(request: Message, context: grpc.ServicerContext) -> Any:
            with self._turns:
                return handler.unary_unary(request, context)

        return grpc.unary_unary_rpc_method_handler(answer, handler.request_deserializer, handler.response_serializer)
