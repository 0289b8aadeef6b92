"""A request to the Embeddings API as the fields of questions.

A question's text is what is embedded, to the last blank. An input in another form (tokens, or a list of several) is its
JSON, as the parameter `input` of the question says: `json`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from askonce.errors import InvalidQuestion
from askonce.question_checks import require

FORM = "input"
JSON = "json"
MOST = 2048
"""Inputs of one request."""
NO_INPUT = f"input must be a text, tokens, or a list of 1 to {MOST} of them, none of them empty"


def fields_of_embedding(body: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of one question for all of a request's input. Raises InvalidQuestion."""
    return fields_of_inputs(body, body.get("input"))


def several_inputs(body: Mapping[str, Any]) -> list[Any]:
    """The inputs of a request, each a text or a list of tokens. Raises InvalidQuestion."""
    given = body.get("input")
    if isinstance(given, str) or is_tokens(given):
        return [given]
    if not isinstance(given, list) or not 0 < len(given) <= MOST or not all(map(_is_input, given)):
        raise InvalidQuestion(NO_INPUT)
    return given


def fields_of_inputs(body: Mapping[str, Any], given: Any) -> dict[str, Any]:
    """The fields of the question for this input of a request. Raises InvalidQuestion."""
    model = body.get("model")
    require(isinstance(model, str | None), "the model's name is malformed")
    params = {key: value for key, value in body.items() if key not in ("input", "model")}
    if isinstance(given, str):
        return {"model": model, "params": params, "text": given}
    if not is_tokens(given) and not _is_list(given):
        raise InvalidQuestion(NO_INPUT)
    try:
        text = orjson.dumps(given).decode()
    except TypeError as error:
        raise InvalidQuestion(f"input: {error}") from error
    return {"model": model, "params": {**params, FORM: JSON}, "text": text}


def inputs_of(text: str, params: Mapping[str, Any]) -> list[Any]:
    """What a question wants vectors of, each a text or a list of tokens. Raises InvalidQuestion."""
    if params.get(FORM) is None:
        return [text]
    try:
        given = orjson.loads(text)
    except ValueError as error:
        raise InvalidQuestion("the input is not valid JSON") from error
    if is_tokens(given):
        return [given]
    if params[FORM] != JSON or not _is_list(given):
        raise InvalidQuestion("the input is neither tokens nor a list")
    return list(given)


def is_tokens(given: Any) -> bool:
    return isinstance(given, list) and bool(given) and all(type(token) is int for token in given)


def _is_list(given: Any) -> bool:
    if not isinstance(given, Sequence) or isinstance(given, str) or not 0 < len(given) <= MOST:
        return False
    return all(map(_is_input, given))


def _is_input(given: Any) -> bool:
    return bool(given) if isinstance(given, str) else is_tokens(given)
