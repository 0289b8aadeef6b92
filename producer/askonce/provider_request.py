"""What is sent to the provider for a question, by its endpoint. Pure."""

from collections.abc import Mapping
from typing import Any, Protocol

from askonce.canonical_endpoints import has_floats
from askonce.embedding_request import FORM, inputs_of

UNSENT = frozenset({"stream", "stream_options", "timeout"})
BASE64 = "base64"

Message = dict[str, Any]


class Asked(Protocol):
    """The parts of a question that its request needs."""

    @property
    def endpoint(self) -> str: ...

    @property
    def text(self) -> str: ...

    @property
    def model(self) -> str | None: ...

    @property
    def system(self) -> str | None: ...

    @property
    def params(self) -> Mapping[str, Any]: ...

    def conversation(self) -> list[Message]: ...


def request_of(question: Asked) -> dict[str, Any]:
    params = {key: value for key, value in question.params.items() if key not in UNSENT}
    asked = {**params, "model": question.model}
    if question.endpoint == "responses":
        return asked | _instructions(question) | _input(question)
    if question.endpoint == "embeddings":
        asked.pop(FORM, None)
        encoding = {"encoding_format": BASE64} if has_floats(question.params) else {}
        return asked | {"input": inputs_of(question.text, question.params)} | encoding
    return asked | {"messages": question.conversation()}


def _instructions(question: Asked) -> dict[str, Any]:
    return {} if question.system is None else {"instructions": question.system}


def _input(question: Asked) -> dict[str, Any]:
    """A text alone as such: the provider takes it for a message of the user."""
    items = question.conversation()
    if not items:
        return {}
    alone = len(items) == 1 and items[0].keys() == {"role", "content"} and isinstance(items[0]["content"], str)
    return {"input": items[0]["content"] if alone and items[0]["role"] == "user" else items}
