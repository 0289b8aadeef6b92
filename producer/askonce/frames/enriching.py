"""A data frame on the way to its answers: what `enrich` and `aenrich` share."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from askonce.batch.console import Display, Progress
from askonce.batch.line_format import Form, read_line
from askonce.batch.run import Run
from askonce.batch.spend_cap import SpendCap
from askonce.batch.table.added import Adding, answer_columns, refuse_taken
from askonce.blocking import chosen
from askonce.calls.base import ClientOptions
from askonce.client import Client
from askonce.errors import InvalidQuestion
from askonce.frames.frame import open_frame
from askonce.frames.lines import FrameLines, prompt_for
from askonce.frames.outcomes import Outcomes
from askonce.frames.progress import watching
from askonce.prices.load import load_prices
from askonce.question import CacheMode, Tier
from askonce.schemas.wanted import schema_of

log = logging.getLogger("askonce")

OF_QUESTIONS = ("system", "params", "cache", "tier")
SAMPLE = b'{"question":"?"}'
"""A well-formed row: if its question is refused, the call itself is malformed."""


class EnrichOptions(ClientOptions, total=False):
    """Fields of the questions, and arguments of the client."""

    system: str | None
    params: Mapping[str, Any] | None
    cache: CacheMode
    tier: Tier | None


@dataclass(frozen=True, slots=True)
class How:
    """The remaining arguments."""

    schema: type[Any] | Mapping[str, Any] | None
    compared: str | None
    in_flight: int
    timeout: float | None
    progress: bool


class Enriching:
    """frame: what was given. Raises as `enrich` does."""

    def __init__(self, frame: object, prompt: str, how: How, client: Client | None, options: Mapping[str, Any]) -> None:
        self._frame = open_frame(frame)
        answers = answer_columns(None if how.schema is None else schema_of(how.schema), "schema")
        refuse_taken(answers, self._frame.names, "the frame")
        parsed = prompt_for(self._frame, prompt, how.compared)
        fields = {name: options[name] for name in OF_QUESTIONS if name in options}
        rest = {name: value for name, value in options.items() if name not in OF_QUESTIONS}
        self.client = chosen(client, cast("ClientOptions", rest))
        form = _form(self.client, how, fields)
        prices = load_prices()
        self._how = how
        self._outcomes = Outcomes(self._frame.rows, Adding(answers, prices, self.client.model or ""))
        cap = SpendCap(prices, self._outcomes.totals, cost=None, tokens=None)
        self._source = FrameLines(self._frame, parsed, form, cap)
        self._progress = Progress(self._outcomes.totals, self._frame.rows, prices.currency)

    def watching(self) -> Display:
        """The progress, shown as the caller wants it."""
        return watching(self._progress, wanted=self._how.progress)

    async def ask(self, show: Callable[[], None] = lambda: None) -> None:
        """Until each row has its answer. show: called now and then."""
        run = Run(
            self.client,
            self._source,
            self._outcomes,
            in_flight=self._how.in_flight,
            ordered=False,
            timeout=self._how.timeout,
            namespace=self.client.namespace,
            show=show,
            note=log.warning,
        )
        await run.all()

    def widened(self) -> Any:
        """The frame with the answers."""
        return self._frame.widened(self._outcomes.table())


def _form(client: Client, how: How, fields: dict[str, Any]) -> Form:
    if client.model is None:
        raise ValueError("no model: set it with model=, or in ASKONCE_MODEL")
    fields["params"] = fields.get("params") or {}
    form = Form(client.namespace, client.model, schema=how.schema, **fields)
    if (reason := read_line(1, SAMPLE, form).reason) is not None:
        raise InvalidQuestion(reason)
    return form
