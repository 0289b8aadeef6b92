"""OpenTelemetry: a span for each chunk, in its questions' trace, and one for each stage.

Only if the SDK is installed and configured, by `trace_export.py` or by other code in this process. Spans contain no
texts, and no error messages, which may quote texts.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from askonce.contract.chunk import Chunk
from askonce_worker.answering.ports import LLMError
from askonce_worker.providers.calls import Call
from askonce_worker.queue.leased_job import LeasedJob

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Link, Span, Tracer

ATTRIBUTES = {"questions": "askonce.questions", "model": "gen_ai.request.model"}
"""Span attributes of a stage's facts."""


class Tracing:
    """The spans of one worker. `Stage` and `ChunkJob` call it."""

    def __init__(self, tracer: "Tracer") -> None:
        self._tracer = tracer

    @contextmanager
    def chunk(self, job: LeasedJob, chunk: Chunk) -> Iterator[None]:
        from opentelemetry.trace import SpanKind  # noqa: PLC0415 - only where it is installed

        parent, links = _origin(chunk.traces)
        attributes: dict[str, str | int] = {
            "messaging.system": "askonce",
            "messaging.operation.type": "process",
            "messaging.destination.name": job.lane,
            "messaging.message.id": job.job,
            "messaging.batch.message_count": len(chunk.questions) + len(chunk.bad),
        }
        with (
            self._tracer.start_as_current_span(
                "askonce.chunk",
                parent,
                kind=SpanKind.CONSUMER,
                attributes=attributes,
                links=links,
                record_exception=False,
                set_status_on_exception=False,
            ) as span,
            _failing(span),
        ):
            yield

    @contextmanager
    def stage(self, name: str, **facts: str | int) -> Iterator[None]:
        from opentelemetry.trace import SpanKind  # noqa: PLC0415

        attributes = {ATTRIBUTES[fact]: value for fact, value in facts.items()}
        kind, title = SpanKind.INTERNAL, f"askonce.{name}"
        if name == "llm":
            kind, title = SpanKind.CLIENT, f"chat {facts['model']}"
            attributes["gen_ai.operation.name"] = "chat"
        with (
            self._tracer.start_as_current_span(
                title, kind=kind, attributes=attributes, record_exception=False, set_status_on_exception=False
            ) as span,
            _failing(span),
        ):
            yield

    def called(self, call: Call) -> None:
        """Add a failed try as an event to the span of stage `llm`. Embedding requests are skipped: they span chunks."""
        from opentelemetry.trace import get_current_span  # noqa: PLC0415

        if call.operation != "chat":
            return
        span = get_current_span()
        if call.error:
            span.add_event("askonce.try_failed", {"error.type": call.error})
        else:
            span.set_attribute("gen_ai.usage.input_tokens", call.tokens_in)
            span.set_attribute("gen_ai.usage.output_tokens", call.tokens_out)


@contextmanager
def _failing(span: "Span") -> Iterator[None]:
    from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415

    try:
        yield
    except Exception as error:
        kind = error.kind if isinstance(error, LLMError) else type(error).__name__
        span.set_attribute("error.type", kind)
        span.set_status(Status(StatusCode.ERROR, kind))
        raise


def _origin(traces: Sequence[str]) -> "tuple[Context | None, list[Link]]":
    """The context of the first trace, to continue, and links to the others."""
    from opentelemetry.trace import Link, get_current_span  # noqa: PLC0415
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

    contexts = [TraceContextTextMapPropagator().extract({"traceparent": trace}) for trace in traces]
    links = [Link(get_current_span(context).get_span_context()) for context in contexts[1:]]
    return (contexts[0] if contexts else None), links


def tracing() -> Tracing | None:
    """None if the API is not installed, or no provider is set."""
    try:
        from opentelemetry import trace  # noqa: PLC0415
    except ImportError:
        return None
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider | trace.NoOpTracerProvider):
        return None
    return Tracing(trace.get_tracer("askonce"))
