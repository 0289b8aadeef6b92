"""One finished request to a provider, for metrics and traces."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Literal, TypeVar

from askonce_worker.answering.ports import LLMError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call:
    """One try. error: its kind (as in `LLMError`, or `cancelled`), '' if it was answered. seconds: its duration.

    tokens_in, tokens_out, tokens_cached: by the provider's count, of chat alone. texts: of embeddings.
    """

    operation: Literal["chat", "embeddings"]
    model: str
    seconds: float = 0.0
    error: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0
    texts: int = 0


OnCall = Callable[[Call], None]


def unobserved(call: Call) -> None:
    """An `OnCall` that ignores the call."""


async def observed(ask: Callable[[], Awaitable[T]], call: Call, on_call: OnCall) -> T:
    """Await `ask`, and report the call and its outcome to `on_call`."""
    began, error = perf_counter(), ""
    try:
        return await ask()
    except BaseException as failure:
        error = kind_of(failure)
        raise
    finally:
        on_call(replace(call, seconds=perf_counter() - began, error=error))


def kind_of(failure: BaseException) -> str:
    if isinstance(failure, LLMError):
        return failure.kind
    return "cancelled" if isinstance(failure, asyncio.CancelledError) else type(failure).__name__
