"""One request: the text, the model, and all that shapes the answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

from askonce import fingerprint as identity
from askonce.errors import InvalidQuestion
from askonce.question_checks import PLACEHOLDER, check_question, require

SCOPE_FIELDS = frozenset({"model", "system", "template", "history", "params", "namespace", "messages"})

CacheMode = Literal["use", "refresh", "bypass"]
Message = dict[str, Any]


@dataclass(frozen=True)
class Question:
    """One question to an LLM.

    text: what varies, and the only part that is embedded and matched. model: None takes the client's.
    template: the fixed text around it, with `{text}` in its place. history: earlier messages. params: any other
    parameter of the chat completion, sent as it is. cache: `use`, `refresh` (ask again and replace) or `bypass`
    (neither read nor write). ttl: seconds the answer may be reused. threshold: least cosine similarity of a match,
    tighter than the worker's. metadata: returned as it is, never part of the identity. messages: the whole conversation
    where it is more than text (images, files, tool calls); matched exactly only, made by `from_body`.

    Raises InvalidQuestion from `checked`, which every way into the queue calls.
    """

    text: str
    model: str | None = None
    system: str | None = None
    template: str | None = None
    history: Sequence[Message] = ()
    params: Mapping[str, Any] = field(default_factory=dict)
    namespace: str | None = None
    cache: CacheMode = "use"
    ttl: float | None = None
    threshold: float | None = None
    job_id: str | None = None
    metadata: Any = None
    semantic: bool = True
    messages: Sequence[Message] | None = None

    @classmethod
    def from_body(cls, body: Mapping[str, Any], **options: Any) -> "Question":
        """A chat-completion request as a question. Raises InvalidQuestion."""
        return _from_body(body, options)

    @property
    def scope(self) -> str:
        """The scope id: what must match exactly. Needs model and namespace."""
        found: str | None = self.__dict__.get("_scope")
        if found is None:
            found = self.__dict__["_scope"] = self._scope_id()
        return found

    @property
    def fingerprint(self) -> str:
        found: str | None = self.__dict__.get("_fingerprint")
        if found is None:
            found = self.__dict__["_fingerprint"] = identity.fingerprint(self.scope, self.text)
        return found

    def _scope_id(self) -> str:
        if not self.history and self.messages is None:
            params = orjson.dumps(dict(self.params)) if self.params else b""
            return identity.plain_scope_id(
                self.namespace or "default", self.model or "", self.system, self.template, params
            )
        return identity.scope_id(
            namespace=self.namespace or "default",
            model=self.model or "",
            system=self.system,
            template=self.template,
            history=tuple(self.history),
            params=dict(self.params),
            messages=None if self.messages is None else tuple(self.messages),
        )

    @property
    def exact_only(self) -> bool:
        """True where similarity says nothing about the answer."""
        return not self.semantic or self.messages is not None or self.params.get("n", 1) != 1 or self._calls_tools()

    def _calls_tools(self) -> bool:
        return any(
            not isinstance(message.get("content"), str) or message.get("role") == "tool" or "tool_calls" in message
            for message in self.history
        )

    def prompt(self) -> str:
        """The user message."""
        return self.text if self.template is None else self.template.replace(PLACEHOLDER, self.text)

    def conversation(self) -> list[Message]:
        """All messages, as they go to the provider."""
        if self.messages is not None:
            return list(self.messages)
        system = [] if self.system is None else [{"role": "system", "content": self.system}]
        return [*system, *self.history, {"role": "user", "content": self.prompt()}]

    def request(self) -> dict[str, Any]:
        """The chat-completion request."""
        params = {
            key: value for key, value in self.params.items() if key not in ("stream", "stream_options", "timeout")
        }
        return {**params, "model": self.model, "messages": self.conversation()}

    def checked(self, *, namespace: str, model: str | None) -> "Question":
        """This question with the defaults filled in, and every field checked. Raises InvalidQuestion."""
        filled = self.filled(namespace=namespace, model=model)
        filled.check()
        return filled

    def check(self) -> None:
        """Every field. Raises InvalidQuestion."""
        check_question(self)

    def filled(self, *, namespace: str, model: str | None, job_id: str | None = None) -> "Question":
        """This question with the defaults in place of what is None."""
        missing: dict[str, Any] = {}
        if self.namespace is None:
            missing["namespace"] = namespace
        if self.model is None and model is not None:
            missing["model"] = model
        if self.job_id is None and job_id is not None:
            missing["job_id"] = job_id
        return self.with_fields(**missing) if missing else self

    def with_fields(self, **fields: Any) -> "Question":
        """A copy with other fields. (`dataclasses.replace` takes ten times as long, and `submit_many` copies all.)"""
        copy = object.__new__(Question)
        values = copy.__dict__
        values.update(self.__dict__)
        values.update(fields)
        if "_scope" in values:
            if not SCOPE_FIELDS.isdisjoint(fields):
                values.pop("_scope")
                values.pop("_fingerprint", None)
            elif "text" in fields:
                values.pop("_fingerprint", None)
        return copy


def _from_body(body: Mapping[str, Any], options: dict[str, Any]) -> Question:
    require(isinstance(body, Mapping), "the body is an object")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(item, dict) for item in messages):
        raise InvalidQuestion("messages is a list of objects with at least one")
    model = body.get("model")
    require(model is None or isinstance(model, str), "the model's name is malformed")
    params = {key: value for key, value in body.items() if key not in ("messages", "model")}
    shared: dict[str, Any] = {"model": model, "params": params, **options}
    last = messages[-1]
    if set(last) != {"role", "content"} or last["role"] != "user" or not isinstance(last["content"], str):
        return Question(_visible_text(messages), messages=tuple(messages), **shared)
    first = messages[0]
    plain_system = len(messages) > 1 and set(first) == {"role", "content"} and first["role"] == "system"
    if plain_system and isinstance(first["content"], str):
        return Question(last["content"], system=first["content"], history=tuple(messages[1:-1]), **shared)
    return Question(last["content"], history=tuple(messages[:-1]), **shared)


def _visible_text(messages: list[Message]) -> str:
    """Something to show for a conversation whose last message is not plain text."""
    content = messages[-1].get("content")
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        content = "\n".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) and content.strip() else f"[{messages[-1].get('role', 'message')}]"
