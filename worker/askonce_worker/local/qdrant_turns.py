"""Calls take turns on one thread; greetings do not."""

from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

import grpc
from google.protobuf.message import Message

GREETING = "/qdrant.Qdrant/HealthCheck"


class InTurn(grpc.ServerInterceptor):  # type: ignore[misc]
    """thread: of one worker."""

    def __init__(self, thread: Executor) -> None:
        self._thread = thread

    def intercept_service(self, continuation: Callable[[Any], Any], details: Any) -> Any:
        handler = continuation(details)
        if handler is None or details.method == GREETING:
            return handler

        def answer(request: Message, context: grpc.ServicerContext) -> Any:
            return self._thread.submit(handler.unary_unary, request, context).result()

        return grpc.unary_unary_rpc_method_handler(answer, handler.request_deserializer, handler.response_serializer)
