"""What gRPC and Qdrant's client raise, translated once."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse

from askonce_worker.answering.ports import SemanticCacheDown, VectorRefused

VECTOR_FAULT = re.compile(
    r"vector dimension error|expected dim\b|vector.*(?:\bnan\b|infinite|non-finite)", re.IGNORECASE
)
"""Qdrant's words about a vector that it will never take. INVALID_ARGUMENT also stands for limits on memory, points and
size, for strict mode and for aliases: these pass, or an operator changes them."""


@contextmanager
def translated() -> Iterator[None]:
    """Raises VectorRefused for a vector that is at fault, SemanticCacheDown for all else."""
    try:
        yield
    except grpc.RpcError as error:
        _pass_on_cancellation()
        raise _kind(error)(f"{error.code().name}: {error.details()}") from error
    except (ResourceExhaustedResponse, grpc.aio.UsageError) as error:
        raise SemanticCacheDown(str(error)) from error


def is_missing(error: SemanticCacheDown) -> bool:
    """Whether Qdrant knows no such collection."""
    cause = error.__cause__
    return isinstance(cause, grpc.RpcError) and cause.code() is grpc.StatusCode.NOT_FOUND


def _kind(error: grpc.RpcError) -> type[SemanticCacheDown]:
    refused = error.code() is grpc.StatusCode.INVALID_ARGUMENT and VECTOR_FAULT.search(str(error.details()))
    return VectorRefused if refused else SemanticCacheDown


def _pass_on_cancellation() -> None:
    """With interceptors, as the official client has them, a cancelled call may end as a failed one."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
