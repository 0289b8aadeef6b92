"""`enrich` and `aenrich`: add an answer to each row of a data frame."""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack, closing
from typing import Any, TypeVar, Unpack, cast

from askonce.client import Client
from askonce.frames.enriching import Enriching, EnrichOptions, How
from askonce.own_loop import on_a_loop_of_its_own

F = TypeVar("F")


def enrich(
    frame: F,
    prompt: str,
    *,
    schema: type[Any] | Mapping[str, Any] | None = None,
    compared: str | None = None,
    client: Client | None = None,
    in_flight: int = 5000,
    timeout: float | None = None,
    progress: bool = True,
    **options: Unpack[EnrichOptions],
) -> F:
    """Asks a question for each row of a data frame, and blocks until all are done, even inside a running event loop.

    Ctrl-C ends the wait. Submitted questions continue, and their answers are in the cache the next time.

    Args:
        frame: From pandas (2.2 or newer), polars, Arrow, or any library whose frames have `__arrow_c_stream__`.
        prompt: The question, with column names in braces. Its fixed text becomes the template.
        schema: A pydantic model or a JSON schema. Its properties become columns that replace `answer`.
        compared: The column matched by similarity, if the prompt has several. None chooses it from a sample of rows.
        client: Asks, and is closed afterwards. None creates one from `options`.
        in_flight: Maximum number of rows in flight.
        timeout: Seconds until each row's deadline. None uses the client's `job_ttl`.
        progress: Whether to show progress in a notebook or terminal.
        **options: For the questions (`system`, `params`, `cache`, `tier`) and the `Client` that is created.

    Returns:
        A frame of the same kind (a `pyarrow.Table` for other libraries), with the rows in order and the columns
        `answer`, `source`, `similarity`, `error` and `cost` after their own.

    Raises:
        ImportError: pyarrow is not installed.
        InvalidQuestion: A field of the questions is malformed for every row. Nothing was asked.
        StoreUnreachable: Redis does not answer.
        TypeError: `frame` is not a data frame.
        ValueError: The prompt or the schema does not fit the frame, or there is no model.
    """
    work = Enriching(frame, prompt, How(schema, compared, in_flight, timeout, progress), client, options)
    return cast("F", _blocked(work))


def _blocked(work: Enriching) -> Any:
    with closing(work.watching()) as shown:
        on_a_loop_of_its_own(_asked(work), None, meanwhile=shown.show)
    return work.widened()


async def _asked(work: Enriching) -> None:
    async with work.client:
        await work.ask()


async def aenrich(
    frame: F,
    prompt: str,
    *,
    schema: type[Any] | Mapping[str, Any] | None = None,
    compared: str | None = None,
    client: Client | None = None,
    in_flight: int = 5000,
    timeout: float | None = None,
    progress: bool = True,
    **options: Unpack[EnrichOptions],
) -> F:
    """Does what `enrich` does on the running event loop, which it shares with other tasks: takes, returns and raises
    the same.

    A client that is given stays open. Cancelling the call ends the wait. Submitted questions continue, and their
    answers are in the cache the next time. The frame is opened and widened in another thread.
    While cached answers are read, other tasks wait for up to 0.2 s at a time, less with fewer rows `in_flight`.
    """
    how = How(schema, compared, in_flight, timeout, progress)
    work = await asyncio.to_thread(Enriching, frame, prompt, how, client, options)
    async with AsyncExitStack() as stack:
        if client is None:
            await stack.enter_async_context(work.client)
        shown = stack.enter_context(closing(work.watching()))
        await work.ask(shown.show)
    return cast("F", await asyncio.to_thread(work.widened))
