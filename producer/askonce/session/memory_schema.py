"""Checks the fake's answers against their schema, as a worker would."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from askonce.answer import Answer, AnswerError
from askonce.question import Question
from askonce.schemas.wanted import is_model, schema_in
from askonce.session.parsed import with_parsed


def fitted(answer: Answer, question: Question) -> Answer:
    """The answer with its object, or a failed one. JSON schemas are checked if jsonschema-rs is installed."""
    answer = with_parsed(answer, question.schema)
    if answer.parsed is None or answer.error is not None or is_model(question.schema):
        return answer
    flaw = _flaw(schema_in(question.params, question.endpoint), answer.parsed)
    if flaw is None:
        return answer
    return replace(answer, status="failed", parsed=None, error=flaw)


def _flaw(schema: Mapping[str, Any] | None, value: Any) -> AnswerError | None:
    try:
        import jsonschema_rs  # noqa: PLC0415 - workers need it, and tests are often run where they are installed
    except ImportError:
        return None
    try:
        validator = jsonschema_rs.validator_for(dict(schema or {}), validate_formats=False, offline=True)
    except jsonschema_rs.ValidationError as error:
        return AnswerError("invalid_question", f"the schema is invalid: {error.message}")
    try:
        validator.validate(value)
    except jsonschema_rs.ValidationError as error:
        return AnswerError("invalid_answer", f"the answer does not fit its schema: {error.message}")
    return None
