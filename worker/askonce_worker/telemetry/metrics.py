"""What a worker tells Prometheus: the names, and what counts for each. How it is asked: `metrics_server.py`.

Where OpenTelemetry has a word (`gen_ai.*`), it is that word with underscores.
"""

from collections import Counter as Count
from collections.abc import Iterator, Mapping, Sequence
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

from askonce.contract.counters import tokens
from askonce.prices import Prices
from askonce_worker.answering.ports import Finished
from askonce_worker.providers.calls import Call

MODEL = "gen_ai_request_model"
OPERATION = "gen_ai_operation_name"
TOKENS_ARE = "gen_ai_token_type"
MOST_MODELS = 100
"""A producer may write anything for a model: those beyond are `other`, or every name would be kept for ever."""

CALL_SECONDS = tuple(0.01 * 2**n for n in range(14))
"""As OpenTelemetry has them for `gen_ai.client.operation.duration`."""
STAGE_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
SIMILARITIES = (0.8, 0.85, 0.9, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 0.985, 0.99, 0.995, 1.0)
TEXTS = tuple(2**n for n in range(12))


class Metrics:
    """Of one worker, in a registry of its own."""

    def __init__(self, prices: Prices) -> None:
        # Else each of these has a second series, which nobody reads.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self._prices = prices
        self._models: set[str] = set()
        self._questions = Counter(
            "askonce_questions", "Answers published by this worker.", ("source", "lane", MODEL), registry=registry
        )
        self._similarity = Histogram(
            "askonce_semantic_similarity", "Cosine of semantic hits.", buckets=SIMILARITIES, registry=registry
        )
        self._calls = Counter(
            "askonce_llm_calls", "Requests to the LLM, retries included.", (MODEL,), registry=registry
        )
        self._errors = Counter("askonce_llm_errors", "Requests that failed.", ("kind", MODEL), registry=registry)
        self._retries = Counter(
            "askonce_llm_retries", "Requests made again, by what went wrong before.", ("kind", MODEL), registry=registry
        )
        self._call_seconds = Histogram(
            "gen_ai_client_operation_duration_seconds", "Of each request to a provider.",
            (OPERATION, MODEL, "error_type"), buckets=CALL_SECONDS, registry=registry,
        )  # fmt: skip
        self._batches = Histogram(
            "askonce_embedding_batch_size", "Texts in a request for embeddings.", buckets=TEXTS, registry=registry
        )
        self._stages = Histogram(
            "askonce_stage_duration_seconds", "Of a chunk's or a question's stage.", ("stage",),
            buckets=STAGE_SECONDS, registry=registry,
        )  # fmt: skip
        self._leases_lost = Counter("askonce_leases_lost", "Jobs that another worker claimed.", registry=registry)
        labels = (TOKENS_ARE, MODEL)
        self._tokens = Counter("askonce_tokens", "By the provider's count.", labels, registry=registry)
        self._saved = Counter(
            "askonce_saved_tokens", "Of answers that needed no call of their own.", labels, registry=registry
        )
        self._cost = Counter("askonce_cost_dollars", "Of models with a price.", (MODEL,), registry=registry)
        self._saved_cost = Counter("askonce_saved_dollars", "Of models with a price.", (MODEL,), registry=registry)

    def published(self, answers: Sequence[Finished]) -> None:
        """Answers that Redis has taken, all of one round trip."""
        counts: Count[tuple[str, str, str]] = Count()
        saved: dict[str, list[int]] = {}
        for item in answers:
            answer, model = item.answer, self._model(item.question.model)
            counts[answer.source or answer.status, item.lane, model] += 1
            if answer.source == "semantic" and answer.similarity is not None:
                self._similarity.observe(answer.similarity)
            if answer.source != "llm":
                tokens_in, tokens_out, _ = tokens(answer.body)
                sums = saved.setdefault(model, [0, 0])
                sums[0] += tokens_in
                sums[1] += tokens_out
        for labels, count in counts.items():
            self._questions.labels(*labels).inc(count)
        for model, (tokens_in, tokens_out) in saved.items():
            self._add(self._saved, self._saved_cost, model, tokens_in, tokens_out, {})

    def called(self, call: Call) -> None:
        model = self._model(call.model)
        self._call_seconds.labels(call.operation, model, call.error).observe(call.seconds)
        if call.operation == "embeddings":
            self._batches.observe(call.texts)
            return
        self._calls.labels(model).inc()
        if call.error:
            self._errors.labels(call.error, model).inc()
        details = {"cached_tokens": call.tokens_cached}
        self._add(self._tokens, self._cost, model, call.tokens_in, call.tokens_out, details)

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

    def _add(
        self, counted: Counter, cost: Counter, model: str, tokens_in: int, tokens_out: int, details: Mapping[str, int]
    ) -> None:
        if tokens_in == tokens_out == 0:
            return
        counted.labels("input", model).inc(tokens_in)
        counted.labels("output", model).inc(tokens_out)
        usage = {"prompt_tokens": tokens_in, "completion_tokens": tokens_out, "prompt_tokens_details": details}
        dollars = self._prices.cost(model, usage)
        if dollars:
            cost.labels(model).inc(max(0.0, dollars))

    def _model(self, name: str | None) -> str:
        name = name or ""
        if name not in self._models:
            if len(self._models) >= MOST_MODELS:
                return "other"
            self._models.add(name)
        return name
