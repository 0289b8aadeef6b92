"""`enrich`: a data frame in, the same one with an answer to each row out."""

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
"""A row that is well-formed: what is wrong with its question is wrong with the call."""


class EnrichOptions(ClientOptions, total=False):
    """Fields of the questions of `enrich`, and arguments of its client."""

    system: str | None
    params: Mapping[str, Any] | None
    cache: CacheMode
    tier: Tier | None


@dataclass(frozen=True, slots=True)
class How:
    """The further arguments of `enrich`."""

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
    """Asks about each row of a data frame, and blocks until all are done, whether a loop runs already or not.

    Ctrl-C ends the wait. What was submitted goes on, and is found in the cache the next time.

    Args:
        frame: Of pandas (2.2 or newer), polars or Arrow, or of any library whose frames have `__arrow_c_stream__`.
        prompt: What is asked, with names of columns in braces. Its fixed text is the template.
        schema: A pydantic model or a JSON schema: its properties are columns in place of `answer`.
        compared: Of several columns the one that is matched by similarity. None lets a sample of the rows decide.
        client: Asks, and is closed afterwards. None makes one of `options`.
        in_flight: Most rows under way at a time.
        timeout: Seconds to each row's deadline. None takes the client's `job_ttl`.
        progress: Whether a notebook or a terminal shows how far it is.
        **options: Of the questions (`system`, `params`, `cache`, `tier`), and of the `Client` that is made.

    Returns:
        The rows in their order, in a frame of the same kind (a `pyarrow.Table` for one of another library), with
        `answer`, `source`, `similarity`, `error` and `cost` behind their own columns.

    Raises:
        ImportError: There is no pyarrow.
        InvalidQuestion: A field of the questions is malformed, whatever the rows hold. Nothing was asked.
        StoreUnreachable: Redis does not answer.
        TypeError: It is no data frame.
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
