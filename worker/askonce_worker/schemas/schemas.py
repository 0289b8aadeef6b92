"""Checks replies against their questions' schemas."""

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
from askonce_worker.answering.schema_check import Mismatch
from askonce_worker.schemas.validator import AnswerValidator

MAX_VALID = 4096
"""Texts known to fit, remembered by digest so that they are not validated again."""
MAX_TEXT = 1_048_576
"""Maximum size in bytes of an answer."""
UNCHECKED = frozenset({CompletionVerdict.REFUSED, CompletionVerdict.FAULTY})


class Schemas:
    def __init__(self) -> None:
        self._validator = AnswerValidator()
        self._valid: OrderedDict[bytes, None] = OrderedDict()

    @classmethod
    def started(cls) -> "Schemas":
        """With its validator process already running."""
        made = cls()
        made._validator.start()
        return made

    def close(self) -> None:
        self._validator.close()

    def refusal(self, question: Question) -> str | None:
        """Why answers to this question cannot be validated: its schema is invalid or too expensive. None if they
        can."""
        return self._refusal(_schema_of(question))

    def mismatch(self, question: Question, body: Mapping[str, Any]) -> Mismatch | None:
        """Implements `CheckSchema`. A truncated reply is not repairable: another try would be truncated too."""
        if question.schema is None or is_embeddings(body):
            return None
        found = verdict(body)
        if found in UNCHECKED:
            return None
        if found is CompletionVerdict.TRUNCATED:
            return Mismatch(f"it is cut off (finish_reason {finish_reason_of(body)})", repairable=False)
        schema = _schema_of(question)
        refused = self._refusal(schema)
        if refused is not None:
            return Mismatch(refused, repairable=False)
        for message in messages_of(body):
            text = message_text(message) or ""
            mismatch = None if calls_tools(message) else self._mismatch(schema, text)
            if mismatch is not None:
                return replace(mismatch, text=text or None)
        return None

    def _mismatch(self, schema: bytes, text: str) -> Mismatch | None:
        key = blake2b(b"%b\n%b" % (schema, text.encode("utf-8", "replace")), digest_size=16).digest()
        if key not in self._valid:
            mismatch = _mismatch(self._validator, schema, text)
            if mismatch is not None:
                return mismatch
            self._valid[key] = None
            if len(self._valid) > MAX_VALID:
                self._valid.popitem(last=False)
        self._valid.move_to_end(key)
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


def _mismatch(validator: AnswerValidator, schema: bytes, text: str) -> Mismatch | None:
    if not text.strip():
        return Mismatch("it is empty")
    if len(text.encode("utf-8", "replace")) > MAX_TEXT:
        return Mismatch(f"it is over {MAX_TEXT} bytes", repairable=False)
    try:
        value = answer_value(text)
    except ValueError as error:
        return Mismatch(f"it is not JSON: {error}")
    try:
        errors = validator.errors(schema, value)
    except ValueError as error:
        return Mismatch(str(error), repairable=False)
    return Mismatch("; ".join(errors)) if errors else None
