"""OpenTelemetry's SDK in this process, for as long as a test needs it."""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.util._once import Once


class Spans:
    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = self.provider.get_tracer("the application")

    def all(self) -> list[ReadableSpan]:
        return list(self._exporter.get_finished_spans())

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.all() if span.name == name]

    def said(self) -> str:
        """Everything that leaves the process, in one text."""
        return "\n".join(span.to_json() for span in self.all())


@contextmanager
def recorded() -> Iterator[Spans]:
    """A process has one provider for ever; a test takes its own away again."""
    before = trace._TRACER_PROVIDER
    spans = Spans()
    trace._TRACER_PROVIDER = spans.provider
    trace._TRACER_PROVIDER_SET_ONCE = Once()
    try:
        yield spans
    finally:
        trace._TRACER_PROVIDER = before
        spans.provider.shutdown()
