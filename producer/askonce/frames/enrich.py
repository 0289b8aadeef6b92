"""`enrich`: adds an answer to each row of a data frame."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, Unpack, cast

from askonce.batch.console import Progress
from askonce.batch.line_format import Form, read_line
from askonce.batch.run import Run
from askonce.batch.spend_cap import SpendCap
from askonce.batch.table.added import Adding, answer_columns, refuse_taken
from askonce.blocking import chosen
from askonce.calls.base import ClientOptions
from askonce.client import Client
from askonce.errors import InvalidQuestion
from askonce.frames.frame import Frame, open_frame
from askonce.frames.lines import FrameLines, prompt_for
from askonce.frames.outcomes import Outcomes
from askonce.frames.progress import watching
from askonce.own_loop import on_a_loop_of_its_own
from askonce.prices.load import load_prices
from askonce.question import CacheMode, Tier
from askonce.schemas.wanted import schema_of

F = TypeVar("F")
log = logging.getLogger("askonce")

OF_QUESTIONS = ("system", "params", "cache", "tier")
SAMPLE = b'{"question":"?"}'
"""A well-formed row: if its question is refused, the call itself is malformed."""


class EnrichOptions(ClientOptions, total=False):
    """Fields of `enrich`'s questions, and arguments of its client."""

    system: str | None
    params: Mapping[str, Any] | None
    cache: CacheMode
    tier: Tier | None


@dataclass(frozen=True, slots=True)
class How:
    """The remaining arguments of `enrich`."""

    schema: type[Any] | Mapping[str, Any] | None
    compared: str | None
    in_flight: int
    timeout: float | None
    progress: bool


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
    how = How(schema, compared, in_flight, timeout, progress)
    return cast("F", _enriched(open_frame(frame), prompt, how, client, dict(options)))


def _enriched(frame: Frame, prompt: str, how: How, client: Client | None, options: dict[str, Any]) -> Any:
    answers = answer_columns(None if how.schema is None else schema_of(how.schema), "schema")
    refuse_taken(answers, frame.names, "the frame")
    parsed = prompt_for(frame, prompt, how.compared)
    fields = {name: options.pop(name) for name in OF_QUESTIONS if name in options}
    asked = chosen(client, cast("ClientOptions", options))
    if asked.model is None:
        raise ValueError("no model: set it with model=, or in ASKONCE_MODEL")
    fields["params"] = fields.get("params") or {}
    form = Form(asked.namespace, asked.model, schema=how.schema, **fields)
    if (reason := read_line(1, SAMPLE, form).reason) is not None:
        raise InvalidQuestion(reason)
    prices = load_prices()
    outcomes = Outcomes(frame.rows, Adding(answers, prices, asked.model))
    source = FrameLines(frame, parsed, form, SpendCap(prices, outcomes.totals, cost=None, tokens=None))
    shown = watching(Progress(outcomes.totals, frame.rows, prices.currency), wanted=how.progress)
    try:
        on_a_loop_of_its_own(_answers(asked, source, outcomes, how), None, meanwhile=shown.show)
    finally:
        shown.close()
    return frame.widened(outcomes.table())


async def _answers(client: Client, source: FrameLines, outcomes: Outcomes, how: How) -> None:
    async with client:
        run = Run(
            client,
            source,
            outcomes,
            in_flight=how.in_flight,
            ordered=False,
            timeout=how.timeout,
            namespace=client.namespace,
            show=lambda: None,
            note=log.warning,
        )
        await run.all()
