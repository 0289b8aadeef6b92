"""`Answer.parsed`: the text of an answer as an object."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from askonce.answer import Answer, AnswerError
from askonce.contract.completion import CompletionVerdict, verdict
from askonce.replies.shapes import calls_tools, messages_of
from askonce.schemas.reading import answer_value
from askonce.schemas.wanted import Schema, is_model

MOST_WORDS = 1000
"""Maximum characters of a model's validation error."""


def with_parsed(answer: Answer, schema: Schema | None) -> Answer:
    """The answer with its object. If the text does not fit, a failed one of kind `invalid_answer`.

    Workers have checked the text against the JSON schema. This checks a model's further rules, and answers of workers
    that do not know schemas yet.
    """
    text = None if schema is None else answer.text
    if text is None or answer.body is None or not _is_to_fit(answer.body):
        return answer
    try:
        return replace(answer, parsed=_parse(text, schema))
    except ValueError as error:
        words = f"the answer does not fit its schema: {error}"[:MOST_WORDS]
        return replace(answer, status="failed", error=AnswerError("invalid_answer", words))


def _is_to_fit(body: Mapping[str, Any]) -> bool:
    """Whether it must fit: the model calls no tools, and the provider does not refuse."""
    return verdict(body) is not CompletionVerdict.REFUSED and not any(map(calls_tools, messages_of(body)[:1]))


def _parse(text: str, schema: Any) -> Any:
    """Raises ValueError, as pydantic does."""
    return schema.model_validate_json(text) if is_model(schema) else answer_value(text)
