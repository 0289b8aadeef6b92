"""Whether replies fit the schemas that their questions want. Schemas that were looked at before are remembered."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from askonce.contract.completion import CompletionVerdict, verdict
from askonce.json_values import dumps
from askonce.question import Question
from askonce.readable import message_text, read_json
from askonce.replies.embeddings import is_embeddings
from askonce.replies.shapes import calls_tools, finish_reason_of, messages_of
from askonce.schemas.reading import answer_value
from askonce.schemas.wanted import MOST_BYTES, schema_in
from askonce_worker.answering.fitting import Flaw

if TYPE_CHECKING:
    from askonce_worker.schemas.looking import Looker

KEPT = 64
"""Schemas that are remembered: each takes up to half a megabyte."""
MOST_TEXT = 1_048_576
"""Bytes of an answer that is looked at."""
NOT_OURS = frozenset({CompletionVerdict.REFUSED, CompletionVerdict.FAULTY})


class Schemas:
    def __init__(self) -> None:
        self._lookers: OrderedDict[bytes, Looker | str] = OrderedDict()

    def refusal(self, question: Question) -> str | None:
        """Why no answer to this question can be looked at: its schema is none, or takes more than the bounds allow."""
        looker = self._looker(question)
        return looker if isinstance(looker, str) else None

    def flaw(self, question: Question, body: Mapping[str, Any]) -> Flaw | None:
        """As `Fits`. What is cut off is told apart: a further try would be cut off, too."""
        if question.schema is None or is_embeddings(body):
            return None
        found = verdict(body)
        if found in NOT_OURS:
            return None
        if found is CompletionVerdict.TRUNCATED:
            return Flaw(f"it is cut off (finish_reason {finish_reason_of(body)})", mends=False)
        looker = self._looker(question)
        if isinstance(looker, str):
            return Flaw(looker, mends=False)
        for message in messages_of(body):
            flaw = _flaw(looker, message)
            if flaw is not None:
                return replace(flaw, text=message_text(message))
        return None

    def _looker(self, question: Question) -> "Looker | str":
        raw = dumps(schema_in(question.params, question.endpoint))
        looker = self._lookers.get(raw)
        if looker is None:
            looker = self._lookers[raw] = _make(raw)
            if len(self._lookers) > KEPT:
                self._lookers.popitem(last=False)
        self._lookers.move_to_end(raw)
        return looker


def _make(raw: bytes) -> "Looker | str":
    """Or why there is none."""
    from askonce_worker.schemas.looking import Looker  # noqa: PLC0415 - few workers need it, and it takes its time

    if len(raw) > MOST_BYTES:
        return f"the schema is over {MOST_BYTES} bytes"
    try:
        return Looker(read_json(raw), len(raw))
    except ValueError as error:
        return str(error)


def _flaw(looker: "Looker", message: Mapping[str, Any]) -> Flaw | None:
    if calls_tools(message):
        return None
    text = message_text(message) or ""
    if not text.strip():
        return Flaw("it is empty")
    size = len(text.encode("utf-8", "replace"))
    if size > MOST_TEXT:
        return Flaw(f"it is over {MOST_TEXT} bytes", mends=False)
    try:
        value = answer_value(text)
    except ValueError as error:
        return Flaw(f"it is not JSON: {error}")
    try:
        errors = looker.errors(value, size)
    except ValueError as error:
        return Flaw(str(error), mends=False)
    return Flaw("; ".join(errors)) if errors else None
