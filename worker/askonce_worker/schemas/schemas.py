"""Whether replies fit the schemas that their questions want."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from hashlib import blake2b
from typing import Any

from askonce.contract.completion import CompletionVerdict, verdict
from askonce.json_values import dumps
from askonce.question import Question
from askonce.readable import message_text
from askonce.replies.embeddings import is_embeddings
from askonce.replies.shapes import calls_tools, finish_reason_of, messages_of
from askonce.schemas.reading import answer_value
from askonce.schemas.wanted import MOST_BYTES, schema_in
from askonce_worker.answering.fitting import Flaw
from askonce_worker.schemas.validator import AnswerValidator

FITTED = 4096
"""Texts that were seen to fit, by their digests: they are not looked at again."""
MOST_TEXT = 1_048_576
"""Bytes of an answer that is looked at."""
NOT_OURS = frozenset({CompletionVerdict.REFUSED, CompletionVerdict.FAULTY})


class Schemas:
    def __init__(self) -> None:
        self._validator = AnswerValidator()
        self._fitted: OrderedDict[bytes, None] = OrderedDict()

    @classmethod
    def started(cls) -> "Schemas":
        """Ready for the first look."""
        made = cls()
        made._validator.start()
        return made

    def close(self) -> None:
        self._validator.close()

    def refusal(self, question: Question) -> str | None:
        """Why no answer to this question can be looked at: its schema is none, or takes more than the bounds allow."""
        return self._refusal(_schema_of(question))

    def flaw(self, question: Question, body: Mapping[str, Any]) -> Flaw | None:
        """As `Fits`. What is cut off is told apart: a further try would be cut off, too."""
        if question.schema is None or is_embeddings(body):
            return None
        found = verdict(body)
        if found in NOT_OURS:
            return None
        if found is CompletionVerdict.TRUNCATED:
            return Flaw(f"it is cut off (finish_reason {finish_reason_of(body)})", mends=False)
        schema = _schema_of(question)
        refused = self._refusal(schema)
        if refused is not None:
            return Flaw(refused, mends=False)
        for message in messages_of(body):
            text = message_text(message) or ""
            flaw = None if calls_tools(message) else self._flaw(schema, text)
            if flaw is not None:
                return replace(flaw, text=text or None)
        return None

    def _flaw(self, schema: bytes, text: str) -> Flaw | None:
        key = blake2b(b"%b\n%b" % (schema, text.encode("utf-8", "replace")), digest_size=16).digest()
        if key not in self._fitted:
            flaw = _flaw(self._validator, schema, text)
            if flaw is not None:
                return flaw
            self._fitted[key] = None
            if len(self._fitted) > FITTED:
                self._fitted.popitem(last=False)
        self._fitted.move_to_end(key)
        return None

    def _refusal(self, schema: bytes) -> str | None:
        if len(schema) > MOST_BYTES:
            return f"the schema is over {MOST_BYTES} bytes"
        try:
            self._validator.check(schema)
        except ValueError as error:
            return str(error)
        return None


def _schema_of(question: Question) -> bytes:
    return dumps(schema_in(question.params, question.endpoint))


def _flaw(validator: AnswerValidator, schema: bytes, text: str) -> Flaw | None:
    if not text.strip():
        return Flaw("it is empty")
    if len(text.encode("utf-8", "replace")) > MOST_TEXT:
        return Flaw(f"it is over {MOST_TEXT} bytes", mends=False)
    try:
        value = answer_value(text)
    except ValueError as error:
        return Flaw(f"it is not JSON: {error}")
    try:
        errors = validator.errors(schema, value)
    except ValueError as error:
        return Flaw(str(error), mends=False)
    return Flaw("; ".join(errors)) if errors else None
