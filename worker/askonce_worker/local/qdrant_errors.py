"""The errors of the embedded Qdrant, with Qdrant's own status codes and messages.

QdrantError
├── WrongInput         INVALID_ARGUMENT
├── CollectionExists   ALREADY_EXISTS
├── CollectionMissing  NOT_FOUND
├── DiskFull           RESOURCE_EXHAUSTED
└── Unsupported        UNIMPLEMENTED, by the feature's name
"""

from collections.abc import Callable
from typing import Any

import grpc
from google.protobuf.message import Message


class QdrantError(Exception):
    code = grpc.StatusCode.INTERNAL


class WrongInput(QdrantError):
    code = grpc.StatusCode.INVALID_ARGUMENT

    def __init__(self, message: str) -> None:
        super().__init__(f"Wrong input: {message}")


class CollectionExists(QdrantError):
    code = grpc.StatusCode.ALREADY_EXISTS

    def __init__(self, name: str) -> None:
        super().__init__(f"Wrong input: Collection `{name}` already exists!")


class CollectionMissing(QdrantError):
    code = grpc.StatusCode.NOT_FOUND

    def __init__(self, name: str) -> None:
        super().__init__(f"Not found: Collection `{name}` doesn't exist!")


class DiskFull(QdrantError):
    code = grpc.StatusCode.RESOURCE_EXHAUSTED

    def __init__(self, free: int) -> None:
        super().__init__(f"the disk is full: {free >> 20} MB are left")


class Unsupported(QdrantError):
    code = grpc.StatusCode.UNIMPLEMENTED

    def __init__(self, feature: str) -> None:
        super().__init__(f"the embedded Qdrant does not support {feature}")


def only(message: Message, *supported: str) -> None:
    """Refuse any unsupported field that is set, by name, rather than ignore part of a request. Raises Unsupported."""
    for field, _ in message.ListFields():
        if field.name not in supported:
            raise Unsupported(f"{message.DESCRIPTOR.name}.{field.name}")


class Translation(grpc.ServerInterceptor):  # type: ignore[misc]
    """The one place where errors become gRPC statuses. The engine raises bare `Exception`s for wrong input."""

    def intercept_service(self, continuation: Callable[[Any], Any], details: Any) -> Any:
        handler = continuation(details)
        if handler is None:
            return None

        def answer(request: Message, context: grpc.ServicerContext) -> Any:
            try:
                return handler.unary_unary(request, context)
            except QdrantError as error:
                context.abort(error.code, str(error))
            except NotImplementedError:
                context.abort(grpc.StatusCode.UNIMPLEMENTED, str(Unsupported(details.method.strip("/"))))
            except Exception as error:
                if type(error) is not Exception:
                    raise
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(WrongInput(str(error))))

        return grpc.unary_unary_rpc_method_handler(answer, handler.request_deserializer, handler.response_serializer)
