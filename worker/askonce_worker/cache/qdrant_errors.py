"""What gRPC and Qdrant's client raise, translated once."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager

import grpc

from askonce_worker.answering.ports import SemanticCacheDown, VectorRefused
from askonce_worker.pacing.trouble import Trouble, Undelivered

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
    except grpc.aio.UsageError as error:
        raise SemanticCacheDown(str(error)) from error


def is_missing(error: SemanticCacheDown) -> bool:
    """Whether Qdrant knows no such collection."""
    cause = error.__cause__
    return isinstance(cause, grpc.RpcError) and cause.code() is grpc.StatusCode.NOT_FOUND


def _kind(error: grpc.RpcError) -> type[SemanticCacheDown]:
    refused = error.code() is grpc.StatusCode.INVALID_ARGUMENT and VECTOR_FAULT.search(str(error.details()))
    return VectorRefused if refused else SemanticCacheDown


def _pass_on_cancellation() -> None:
    """With an interceptor, as an API key needs one, a cancelled call may end as a failed one."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


MOST_WORDS = 300
"""Characters of what a server says, for the log."""
REFUSALS = frozenset(
    {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.PERMISSION_DENIED}
)
"""What stays so until an operator changes something. A limit of strict mode is a PERMISSION_DENIED, too."""
MAYBE_ONE = frozenset({grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.PERMISSION_DENIED})
"""What may be the fault of one query, or of how many there are."""
BETWEEN = "http2 header with status"
"""gRPC's words where a proxy has answered: its 401, 403 or 404 stands as a code of Qdrant's, and passes."""
TROUBLES = {
    grpc.StatusCode.UNAVAILABLE: Trouble.AWAY,
    grpc.StatusCode.DEADLINE_EXCEEDED: Trouble.SLOW,  # Qdrant ends a search itself after 60 s, and says this
    grpc.StatusCode.RESOURCE_EXHAUSTED: Trouble.BUSY,
}
"""All others: something is wrong with the server, and may pass: INTERNAL, FAILED_PRECONDITION while it is locked."""


def undelivered(error: SemanticCacheDown, *, queries: int) -> Undelivered:
    """What a failure means for searches that wait. queries: in the request that failed; 0 if it was no search."""
    cause, words = _origin(error), str(error)[:MOST_WORDS]
    if isinstance(cause, TimeoutError):
        return Undelivered(Trouble.SLOW, status=words)
    if not isinstance(cause, grpc.RpcError):
        return Undelivered(Trouble.REFUSED, status=words)
    code, trouble = cause.code(), Trouble.FAILING
    if BETWEEN not in words:
        trouble = Trouble.REFUSED if code in REFUSALS else TROUBLES.get(code, Trouble.FAILING)
        if code in MAYBE_ONE:
            of_a_query = queries > 1 or (queries == 1 and code not in REFUSALS)
            trouble = Trouble.UNFIT if of_a_query else Trouble.REFUSED
    return Undelivered(trouble, pause=_pause(cause), status=words)


def _pause(error: grpc.RpcError) -> float | None:
    """For how many seconds a server that is asked too often wants to be left alone, if it says."""
    said = dict(error.trailing_metadata() or ()).get("retry-after", "")
    return float(said) if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED and str(said).isdecimal() else None


def _origin(error: BaseException) -> BaseException:
    """What was first. The interceptor of Qdrant's client raises its own exception from gRPC's."""
    while isinstance(error, SemanticCacheDown) and error.__cause__ is not None:
        error = error.__cause__
    return error
