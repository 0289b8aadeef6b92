"""One request: the text, the model, and all that shapes the answer."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypedDict, Unpack

from askonce import fingerprint as identity
from askonce.canonical import canonical_messages
from askonce.chat_request import fields_of_request
from askonce.embedding_request import fields_of_embedding
from askonce.errors import InvalidQuestion
from askonce.json_values import as_json, dumps
from askonce.payer import Payer
from askonce.provider_request import request_of
from askonce.question_checks import (
    PLACEHOLDER,
    check_endpoint,
    check_fixed_texts,
    check_items,
    check_job_id,
    check_model,
    check_namespace,
    check_options,
    check_params,
    check_size,
    check_text,
    require,
)
from askonce.remembered import Remembered
from askonce.response_request import fields_of_response, is_stateful
from askonce.schemas.wanted import Schema, with_format

SHARED_FIELDS = ("model", "system", "template", "history", "params", "messages")
"""The fields that all questions of a scope share, besides namespace and endpoint."""
SCOPE_FIELDS = frozenset({*SHARED_FIELDS, "namespace", "rule", "endpoint"})
FROM_BODY = {"responses": fields_of_response, "embeddings": fields_of_embedding}

CacheMode = Literal["use", "refresh", "bypass"]
Tier = Literal["standard", "flex", "batch"]
Endpoint = Literal["chat", "responses", "embeddings"]
Message = dict[str, Any]


class QuestionFields(TypedDict, total=False):
    """The fields of a `Question` other than its text, as keyword arguments of `ask`, `submit`, `lookup` and `store`."""

    model: str | None
    system: str | None
    template: str | None
    history: Sequence[Message]
    params: Mapping[str, Any]
    namespace: str | None
    cache: CacheMode
    ttl: float | None
    threshold: float | None
    job_id: str | None
    metadata: Any
    semantic: bool
    messages: Sequence[Message] | None
    tier: Tier | None
    endpoint: Endpoint
    schema: Schema | None


@dataclass(frozen=True)
class Question:
    """One question to an LLM.

    Nothing is checked here. Every method that queues it checks it, and raises InvalidQuestion.

    Args:
        text: The part that varies between questions; only this is embedded and matched.
        model: The model's name. None uses the client's.
        system: The system prompt.
        template: The fixed text around `text`, with `{text}` in its place. It is sent but never embedded.
        history: Earlier messages of the conversation, oldest first.
        params: Other parameters of the request. Unknown ones are passed to the provider as they are.
        namespace: The tenant: answers never cross namespaces. None uses the client's.
        cache: `use`, `refresh` (ask again and replace the cached answer) or `bypass` (neither read nor write).
        ttl: Seconds the answer may be reused. None uses the worker's setting.
        threshold: Minimum cosine similarity of a match, in (0, 1]. It can only be stricter than the worker's.
        job_id: The id with which any process can fetch the answer. None generates a random one.
        metadata: Any JSON, returned with the answer. Not part of the identity.
        semantic: False matches exactly only.
        messages: The whole conversation, if it is more than text (images, files, tool calls). It is matched exactly
            only. `from_body` sets it if needed.
        tier: How it is paid in the bulk lane: `standard`, `flex` or `batch`. None uses the worker's setting.
            Not part of the identity.
        endpoint: What the provider is asked for: `chat` completions, `responses`, or `embeddings`, which are matched
            exactly only. A response that depends on what the provider stores or runs bypasses the cache.
        schema: What the answer must fit: a pydantic model or a JSON schema, which is sent as `response_format`; True
            for the one in `params`. An answer that does not fit is repaired once, or fails as `invalid_answer`.
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
    tier: Tier | None = None
    endpoint: Endpoint = "chat"
    schema: Schema | None = None

    rule: ClassVar[int] = identity.RULE
    """The rule by which the scope id is computed. A copy has another one if an older client submitted the question."""
    reads: ClassVar[int] = 0
    """The newest version of compressed results that its submitter reads, as a worker knows from its chunk."""
    payer: ClassVar[Payer | None] = None
    """The key of the front door that it came with, where that has a bound. It is never part of the identity."""

    def __post_init__(self) -> None:
        if isinstance(self.params, Mapping) and self.params:
            with suppress(RecursionError):  # it contains itself: `check` says so
                object.__setattr__(self, "params", as_json(self.params))
        if self.schema is not None:
            with suppress(InvalidQuestion, AttributeError):  # `check` says so
                object.__setattr__(self, "params", with_format(self.params, self.schema, self.endpoint))
        if self.endpoint == "responses" and is_stateful(self.params, self.messages or self.history):
            object.__setattr__(self, "cache", "bypass")

    @classmethod
    def from_body(cls, body: Mapping[str, Any], **options: Unpack[QuestionFields]) -> "Question":
        """Makes a question from a request.

        Args:
            body: The request, as it would be sent to `/v1/chat/completions`, or to the `endpoint` in the options.
            **options: Fields that a request does not have, such as `cache` or `job_id`.

        Raises:
            InvalidQuestion: The body is not an object, or its messages, input or model are malformed.
        """
        require(isinstance(body, Mapping), "the body must be an object")
        fields_of = FROM_BODY.get(options.get("endpoint", "chat"), fields_of_request)
        return cls(**{**fields_of(body), **options})

    @Remembered
    def scope(self) -> str:
        """The scope id: 43 characters for all that must match exactly. Needs a model and a namespace."""
        namespace, model, system, template = self.namespace or "default", self.model or "", self.system, self.template
        if not self.history and self.messages is None:
            params = dumps(self.params) if self.params else b""
            size = len(system or "") + len(template or "") + len(params)
            made = identity.short_scope_id if size <= identity.SHORT else identity.long_scope_id
            return made(namespace, model, system, template, params, self.rule, self.endpoint)
        fixed: dict[str, Any] = {"namespace": namespace, "model": model, "system": system, "template": template}
        varied: dict[str, Any] = {"history": self.history, "params": self.params, "messages": self.messages}
        return identity.scope_id(**fixed, **varied, rule=self.rule, endpoint=self.endpoint)

    @Remembered
    def fingerprint(self) -> str:
        """The identity of the question: 43 characters for its scope and text."""
        of = identity.verbatim if self.endpoint == "embeddings" else identity.fingerprint
        return of(self.scope, self.text)

    @property
    def ruled(self) -> bool:
        """True if the rules of the scope id differ: of its parameters and earlier messages."""
        return self.endpoint == "chat" and bool(self.history or self.params or self.messages)

    @property
    def exact_only(self) -> bool:
        """True if similarity says nothing about the answer."""
        several = self.params.get("n") not in (None, 1) or self.endpoint == "embeddings"
        return not self.semantic or self.messages is not None or several or self._calls_tools()

    def _calls_tools(self) -> bool:
        return any(
            not isinstance(message["content"], str) or message.get("role") == "tool" or "tool_calls" in message
            for message in canonical_messages(self.history)
        )

    def prompt(self) -> str:
        """The user message: the text within its template."""
        return self.text if self.template is None else self.template.replace(PLACEHOLDER, self.text)

    def conversation(self) -> list[Message]:
        """All messages, as they go to the provider."""
        if self.messages is not None:
            return list(self.messages)
        apart = self.system is None or self.endpoint == "responses"
        system = [] if apart else [{"role": "system", "content": self.system}]
        return [*system, *self.history, {"role": "user", "content": self.prompt()}]

    def request(self) -> dict[str, Any]:
        """What is sent to the provider."""
        return request_of(self)

    def checked(self, *, namespace: str, model: str | None) -> "Question":
        """This question with the defaults filled in, and every field checked. Raises InvalidQuestion."""
        filled = self.filled(namespace=namespace, model=model)
        filled.check()
        return filled

    def check(self) -> None:
        """Checks every field. Raises InvalidQuestion."""
        check_endpoint(self.endpoint, self.system, self.template)
        check_text(self.text, verbatim=self.endpoint == "embeddings")
        check_model(self.model)
        check_namespace(self.namespace)
        if self.job_id is not None:
            check_job_id(self.job_id)
        check_options(self.cache, self.semantic, self.ttl, self.threshold, self.tier)
        check_fixed_texts(self.system, self.template)
        if self.params != {}:
            check_params(self.params, self.endpoint)
        with_format(self.params, self.schema, self.endpoint)
        check_items(self.history, self.messages, self.endpoint)
        words = self.text + (self.system or "") + (self.template or "")
        check_size(words, self.history, self.params, self.messages, self.metadata)

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
        if not SCOPE_FIELDS.isdisjoint(fields):
            values.pop("scope", None)
            values.pop("fingerprint", None)
        elif "text" in fields:
            values.pop("fingerprint", None)
        return copy
