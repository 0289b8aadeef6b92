"""One worker's Prometheus metrics. For those of the whole installation, see `installation.py`.

Where OpenTelemetry defines a name (`gen_ai.*`), that name is used, with underscores.
"""

from collections import Counter as Count
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

from askonce.contract.unmatched import Unmatched
from askonce_worker.answering.ports import Finished
from askonce_worker.providers.calls import Call
from askonce_worker.telemetry.model_names import MODEL, ModelNames

OPERATION = "gen_ai_operation_name"

CALL_SECONDS = tuple(0.01 * 2**n for n in range(14))
"""The buckets that OpenTelemetry recommends for `gen_ai.client.operation.duration`."""
STAGE_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
SIMILARITIES = (0.8, 0.85, 0.9, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 0.985, 0.99, 0.995, 1.0)
WAITS: dict[str, str] = {
    Unmatched.QDRANT_SLOW: "slow",
    Unmatched.EMBEDDINGS_SLOW: "slow",
    Unmatched.QDRANT_DOWN: "away",
    Unmatched.EMBEDDINGS_DOWN: "away",
    Unmatched.QDRANT_REFUSED: "refused",
}
TEXTS = tuple(2**n for n in range(12))


class Metrics:
    """The metrics of one worker, in their own registry."""

    def __init__(self) -> None:
        # Else each counter and histogram has a second series, the time of its creation.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self._model = ModelNames()
        self._questions = Counter(
            "askonce_questions", "Answers published by this worker.", ("source", "lane", MODEL), registry=registry
        )
        self._waits = Counter(
            "askonce_lookup_waits", "Questions that waited for a slow similarity lookup, or skipped it.", ("outcome",),
            registry=registry,
        )  # fmt: skip
        self._similarity = Histogram(
            "askonce_semantic_similarity", "Cosine of semantic hits.", buckets=SIMILARITIES, registry=registry
        )
        self._calls = Counter(
            "askonce_llm_calls", "Requests to the LLM, including retries.", (MODEL,), registry=registry
        )
        self._errors = Counter(
            "askonce_llm_errors", "Failed requests to the LLM, by kind of error.", ("kind", MODEL), registry=registry
        )
        self._retries = Counter(
            "askonce_llm_retries", "Retried requests to the LLM, by kind of error.", ("kind", MODEL), registry=registry
        )
        self._call_seconds = Histogram(
            "gen_ai_client_operation_duration_seconds", "Duration of each request to a provider.",
            (OPERATION, MODEL, "error_type"), buckets=CALL_SECONDS, registry=registry,
        )  # fmt: skip
        self._batches = Histogram(
            "askonce_embedding_batch_size", "Texts per embedding request.", buckets=TEXTS, registry=registry
        )
        self._stages = Histogram(
            "askonce_stage_duration_seconds", "Duration of a stage of a chunk or question.", ("stage",),
            buckets=STAGE_SECONDS, registry=registry,
        )  # fmt: skip
        self._leases_lost = Counter(
            "askonce_leases_lost", "Running jobs that another worker claimed.", registry=registry
        )

    def published(self, answers: Sequence[Finished]) -> None:
        """Count the answers that Redis accepted in one round trip."""
        counts: Count[tuple[str, str, str]] = Count()
        for item in answers:
            answer, model = item.answer, self._model(item.question.model)
            counts[answer.source or answer.status, item.lane, model] += 1
            if answer.source == "semantic" and answer.similarity is not None:
                self._similarity.observe(answer.similarity)
            outcome = "waited" if answer.waited is not None else WAITS.get(answer.unmatched or "")
            if outcome is not None:
                self._waits.labels(outcome).inc()
        for labels, count in counts.items():
            self._questions.labels(*labels).inc(count)

    def called(self, call: Call) -> None:
        model = self._model(call.model)
        self._call_seconds.labels(call.operation, model, call.error).observe(call.seconds)
        if call.operation == "embeddings":
            self._batches.observe(call.texts)
            return
        self._calls.labels(model).inc()
        if call.error:
            self._errors.labels(call.error, model).inc()

    def retried(self, kind: str, model: str) -> None:
        self._retries.labels(kind, self._model(model)).inc()

    def lease_lost(self) -> None:
        self._leases_lost.inc()

    @contextmanager
    def stage(self, name: str, **facts: str | int) -> Iterator[None]:  # noqa: ARG002 - a `Stage`
        began = perf_counter()
        try:
            yield
        finally:
            self._stages.labels(name).observe(perf_counter() - began)
